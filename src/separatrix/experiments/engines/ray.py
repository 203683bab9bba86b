"""The Ray engine: trials as tasks of a Ray cluster, wherever its nodes are.

The store is all that a driver, its tasks and their nodes share: checkpoints, progress and results go through it, so
that a trial whose worker or node is lost goes on from its checkpoint on another one, to the same bits.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from separatrix.errors import InputError
from separatrix.experiments.engines.base import ONE_CORE, Engine, Outstanding, Resources, Tick, unstored
from separatrix.experiments.engines.process import begin, settled
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Busy, Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.result import Result
from separatrix.machine import MachineFailure

POLL_SECONDS = 0.5
CONNECT_SECONDS = 5.0
QUIET = {"log_to_driver": False, "logging_level": "ERROR"}
HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What a client of gRPC says first (RFC 9113, 3.4)."""
HTTP2_SETTINGS = b"\x04"
"""The kind of frame that a server answers with."""


class RayEngine(Engine):
    """Runs trials as tasks of a Ray cluster.

    address: of a running cluster, `host:port` or `ray://host:port`; `auto` for the one this machine belongs to; None
             for the one this process is connected to, or else one of this machine alone, which listens on loopback,
             has no dashboard, and ends with the run
    workers: trials at a time; None for as many as the cluster has room for
    Raises InputError when Ray is not installed, and when a trial asks for more than a cluster of this machine has.

    >>> engine = sx.experiments.RayEngine(address="auto", workers=16)  # doctest: +SKIP
    """

    def __init__(self, address: str | None = None, workers: int | None = None, resources: Resources = ONE_CORE) -> None:
        self.address, self.workers, self.resources = address, workers, resources
        if not _ray().is_initialized() and address is None:
            resources.room()  # the cluster will be this machine

    def check(self, config: TrialConfig) -> None:
        """See `Engine.check`: what the nodes of a running cluster have is not known here."""
        if self.address is None:
            super().check(config)

    def work_off(self, outstanding: Outstanding, tick: Tick | None, until: int | None) -> None:
        """See `Engine.work_off`. Raises InputError when the cluster cannot be reached, or has no room for one trial."""
        with _connected(self.address) as ray:
            self._run(ray, outstanding, tick, until)

    def _run(self, ray: Any, outstanding: Outstanding, tick: Tick | None, until: int | None) -> None:
        task = ray.remote(
            num_cpus=self.resources.cpus,
            num_gpus=self.resources.gpus,
            max_retries=0,  # a lost trial is taken up again here, where its checkpoint is known
            runtime_env={"env_vars": settled()},
        )(work)
        running: dict[Any, TrialConfig] = {}
        try:
            while outstanding.waiting or running:
                room = self._room(ray)
                while outstanding.waiting and len(running) < room:
                    config = outstanding.waiting.pop(0)
                    data = config.model_dump(mode="json")
                    running[task.remote(outstanding.store.address, data, self.resources.device, until)] = config
                ready, _ = ray.wait(list(running), timeout=POLL_SECONDS)
                for future in ready:
                    _collect(ray, future, running.pop(future), outstanding)
                if tick:
                    tick(list(running.values()))
        finally:
            for future in running:
                ray.cancel(future, force=True)

    def _room(self, ray: Any) -> int:
        """How many trials to hand over: what the nodes have room for now, and one that waits for nodes yet to join."""
        wanted = {"CPU": self.resources.cpus, "GPU": self.resources.gpus}
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = sum(int(min(has.get(name, 0) // each for name, each in wanted.items() if each)) for has in alive)
        if room == 0:
            asks = " and ".join(f"{each:g} {name}" for name, each in wanted.items() if each)
            if self.address is None:
                raise InputError(f"a trial asks for {asks}, and no node of the Ray cluster has as much: ask for less")
            warnings.warn(f"no node of the Ray cluster has {asks}: waiting until one joins", stacklevel=2)
        return min(self.workers or room + 1, room + 1)


def _collect(ray: Any, future: Any, config: TrialConfig, outstanding: Outstanding) -> None:
    """Take a finished trial, or put a lost one back in the queue."""
    store = outstanding.store
    try:
        result = Result(**ray.get(future))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, MachineFailure):
            outstanding.end(config, unstored(config, str(error.cause)))
            return
        if not isinstance(error.cause, Busy):
            raise error.cause from None
        outstanding.waiting.append(config)  # another run on this store has it: come back later
        time.sleep(POLL_SECONDS)
    except ray.exceptions.RayError:  # the worker, its node or what it returned is gone
        outstanding.lose(config)
    else:
        if result.status != "paused" and store.result(result.identity) is None:
            raise InputError(
                f"a node of the Ray cluster wrote its results to a {store.url} of its own: give a folder that all "
                "nodes share, or an fsspec URL such as s3://bucket/runs"
            )
        outstanding.end(config, result)


def work(url: str, config: dict, device: str, until: int | None) -> dict:
    """What a task runs: one trial, with one thread, in a process that ends with its node."""
    begin(os.getppid())
    return run_trial(Store(url), TrialConfig(**config), device, until=until).model_dump(mode="json")


def _ray() -> Any:
    """The ray package. Raises InputError when it is not installed."""
    try:
        import ray  # noqa: PLC0415
    except ImportError:
        raise InputError("the Ray engine needs Ray: pip install 'separatrix[ray]'") from None
    return ray


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """The ray package, connected to a cluster, and disconnected in the end if it was not connected before."""
    ray = _ray()
    if address is None and ray.is_initialized():
        yield ray
        return
    ray._private.worker.print_to_stdstream = _complain
    try:
        with _own_signals():
            _start(ray) if address is None else _join(ray, address)
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself when it connects; here it goes on meaning what it meant."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _complain(message: dict[str, Any], **_: Any) -> None:
    """Ray's messages to the driver, pages of them on stdout, as a line on stderr."""
    print(f"ray: {str(message['lines'][0])[:200].splitlines()[0]}", file=sys.stderr)


def _start(ray: Any) -> None:
    """Start a cluster of this machine alone."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with _loopback():
        ray.init(address="local", num_cpus=cores, include_dashboard=False, **QUIET)
    if not ray.util.get_node_ip_address().startswith(("127.", "::1")):
        raise InputError(f"Ray {ray.__version__} would listen beyond this machine: start a cluster, and give --address")


@contextmanager
def _loopback() -> Iterator[None]:
    """Ray listens on loopback only: its one switch for that, meant for Windows and macOS, is read at import."""
    from ray._private import ray_constants  # noqa: PLC0415

    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _join(ray: Any, address: str) -> None:
    """Connect to a running cluster."""
    if address != "auto":
        _check_reachable(address)
    try:
        ray.init(address=address, **({} if address.startswith("ray://") else QUIET))
    except (OSError, ValueError, RuntimeError, SystemExit) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot join the Ray cluster at {address}: {reason}") from None


def _check_reachable(address: str) -> None:
    """InputError unless a gRPC server answers at the address: Ray itself would try for two minutes, and then exit."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"a Ray address looks like 10.0.0.1:6379, ray://10.0.0.1:10001 or auto, got {address!r}")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS) as connection:
            connection.settimeout(CONNECT_SECONDS)
            connection.sendall(HTTP2_GREETING)
            greeting = connection.recv(9)
    except OSError as error:
        raise InputError(f"no Ray cluster at {address}: {error}. Is it running (`ray status`)?") from None
    if os.environ.get("RAY_USE_TLS", "0") == "0" and greeting[3:4] != HTTP2_SETTINGS:
        raise InputError(f"what answers at {address} is no Ray cluster: see `ray status` for its address")
