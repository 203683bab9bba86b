from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

from separatrix import InputError
from separatrix.experiments.engines import ray as ray_engine
from separatrix.experiments.engines.base import Engine, Resources, create
from separatrix.experiments.engines.ray import RayEngine
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Store


@pytest.fixture
def quiet(monkeypatch):
    """No word to anyone outside, and nothing listens beyond loopback."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with ray_engine._loopback():
        yield


@pytest.fixture
def cluster(quiet):
    """A head that runs no trials, and one node for the others to join."""
    noticed_soon = {
        "health_check_initial_delay_ms": 0,
        "health_check_period_ms": 500,
        "health_check_failure_threshold": 2,
    }
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": noticed_soon}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1, include_dashboard=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def ray_processes() -> list[psutil.Process]:
    """Our living processes of Ray."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            found += [process] if "ray" in " ".join(process.cmdline()) else []
    return found


@pytest.mark.slow
def test_a_node_lost_in_mid_sweep_leaves_the_same_bits(cluster, tiny, tmp_path, capsys):
    trials = [tiny(seed=seed, steps=400) for seed in range(3)]
    expected = [run_trial(Store(tmp_path / "alone"), trial).fingerprint for trial in trials]
    store, (first,) = Store(tmp_path / "cluster"), cluster.worker_nodes
    reached = []

    def lose_the_first_node(running) -> None:
        said = store.progress(trials[0].identity())
        if not reached and said and said["step"] >= 20:
            reached.append(said["step"])
            cluster.remove_node(first, allow_graceful=False)
            for _ in range(2):
                cluster.add_node(num_cpus=1, include_dashboard=False)

    results = RayEngine(cluster.address).run(store, trials, tick=lose_the_first_node)
    assert reached
    assert reached[0] < 400
    assert len([node for node in cluster.worker_nodes if node is not first]) == 2
    assert [result.fingerprint for result in results] == expected
    assert [store.result(trial.identity()).fingerprint for trial in trials] == expected
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_a_cluster_of_this_machine_alone_listens_on_loopback_and_ends_with_the_run(tiny, tmp_path):
    heard = set()

    def listen(running) -> None:
        for process in ray_processes():
            with suppress(psutil.Error):
                heard.update(c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN)

    store = Store(tmp_path)
    with ray_engine._connected(None):  # so that both runs below find it
        fine, failed = create("ray").run(store, [tiny(), tiny(learning_rate=1.0, weight_decay=1e30)], tick=listen)
        with pytest.raises(InputError, match="asks for 1 CPU and 64 GPU, and no node of the Ray cluster has as much"):
            create("ray", resources=Resources(gpus=64.0)).run(store, [tiny(seed=1)])
        assert ray.is_initialized()
    assert fine.fingerprint == run_trial(Store(tmp_path / "alone"), tiny()).fingerprint
    assert failed.status == "failed"
    assert "not finite" in failed.error
    assert store.results() == sorted([fine, failed], key=lambda result: result.identity)
    assert heard
    assert heard <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert not ray.is_initialized()
    assert not ray_processes()


@pytest.fixture
def silent():
    """The address of something that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def talkative():
    """The address of something that speaks, but no gRPC."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 mail.example.org ready\r\n")

        threading.Thread(target=greet, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:9", "no Ray cluster at 127.0.0.1:9: .*refused"),
        ("ray://127.0.0.1:9", "no Ray cluster at ray://127.0.0.1:9: .*refused"),
        ("nowhere", "a Ray address looks like 10.0.0.1:6379, .* or auto, got 'nowhere'"),
        ("silent", "no Ray cluster at 127.0.0.1:.*timed out"),
        ("talkative", "what answers at 127.0.0.1:.* is no Ray cluster"),
        ("auto", "cannot join the Ray cluster at auto: Could not find any running Ray"),
    ],
)
def test_an_address_without_a_cluster_is_one_clear_line(tiny, tmp_path, monkeypatch, request, address, message):
    monkeypatch.setattr(ray_engine, "CONNECT_SECONDS", 0.5)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address in ("silent", "talkative"):
        address = request.getfixturevalue(address)
    with pytest.raises(InputError, match=message) as caught:
        create("ray", address=address).run(Store(tmp_path), [tiny()])
    assert "\n" not in str(caught.value)


def test_a_sweep_that_is_done_needs_no_cluster(tiny, tmp_path):
    result = run_trial(Store(tmp_path), tiny())
    engine: Engine = create("ray", address="127.0.0.1:9")
    assert engine.run(Store(tmp_path), [tiny()]) == [result]


def test_without_ray_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"needs Ray: pip install 'separatrix\[ray\]'"):
        create("ray")
