"""Exported models answer as the originals: ONNX in onnxruntime, model directories through AutoModel."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import jaxtyping
import numpy as np
import onnxruntime
import pytest
import torch
from huggingface_hub import HfApi
from transformers import AutoModel, AutoModelForCausalLM

from separatrix import models, tasks
from separatrix.errors import InputError
from separatrix.models.hub import SeparatrixForCausalLM, SeparatrixModel, export_huggingface
from separatrix.models.onnx import export_onnx

TASK = tasks.create("index-lookup", length=12, alphabet=4)
STREAM = tasks.create("mqar", length=16, pairs=2, vocabulary_size=16)


LOOPS = pytest.mark.skipif(torch.__version__ < "2.7", reason="PyTorch 2.6 exports no loops over tokens, and says so")


@pytest.fixture
def traceable():
    """Exporters trace the code with shapes that are symbols, which no shape check understands."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def batch_of(size: int, length: int, queries: int):
    return TASK.sample(size, torch.Generator().manual_seed(length), queries=queries, length=length)


@pytest.mark.parametrize(
    ("name", "options"),
    [("transformer", {"layers": 2, "scale": 1.0}), pytest.param("elman", {"nonlinearity": "relu"}, marks=LOOPS)],
)
@pytest.mark.filterwarnings("ignore")
def test_onnx_answers_at_any_batch_length_and_number_of_queries(tmp_path, traceable, name, options):
    model = models.create(name, TASK, width=8, **options).eval()
    path = export_onnx(model, tmp_path / "deep" / "model.onnx")
    session = onnxruntime.InferenceSession(str(path))
    for shape in ((3, 12, 5), (2, 7, 3), (1, 1, 1)):
        batch = batch_of(*shape)
        (logits,) = session.run(None, {"context": batch.context.numpy(), "queries": batch.queries.numpy()})
        np.testing.assert_allclose(logits, model(batch.context, batch.queries).detach().numpy(), atol=1e-5)
    assert '"width":8' in session.get_modelmeta().custom_metadata_map["separatrix.model"]


@pytest.mark.parametrize(
    ("name", "options"),
    [("transformer", {"positions": "rope", "layers": 2}), pytest.param("gru", {"tied": True}, marks=LOOPS)],
)
@pytest.mark.filterwarnings("ignore")
def test_a_stream_is_read_at_any_batch_and_length(tmp_path, traceable, name, options):
    model = models.create(name, STREAM, width=8, **options).eval()
    session = onnxruntime.InferenceSession(str(export_onnx(model, tmp_path / "model.onnx")))
    for size, length in ((3, 16), (1, 8)):
        inputs = STREAM.sample(size, torch.Generator().manual_seed(length), length=length).inputs
        (logits,) = session.run(None, {"inputs": inputs.numpy()})
        np.testing.assert_allclose(logits, model.read(inputs).detach().numpy(), atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_what_onnx_cannot_say_is_refused_in_one_line(tmp_path, traceable):
    with pytest.raises(InputError, match="dss cannot be written as ONNX: .*(complex numbers|no loops)"):
        export_onnx(models.create("dss", TASK, width=8), tmp_path / "model.onnx")
    with pytest.raises(InputError, match=r"ending in \.onnx, got 'model.pt'"):
        export_onnx(models.create("lstm", TASK, width=8), tmp_path / "model.pt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [("transformer", {"positions": "sinusoidal"}), ("lstm", {}), ("retnet", {}), ("linear-rnn", {})],
)
@pytest.mark.filterwarnings("ignore")
def test_model_directories_load_through_automodel(tmp_path, name, options):
    model = models.create(name, TASK, width=8, **options).eval()
    folder = export_huggingface(model, tmp_path / name)
    back = AutoModel.from_pretrained(folder)
    batch = batch_of(3, 9, 4)
    answers = back(batch.context, batch.queries, labels=batch.targets)
    assert isinstance(back, SeparatrixModel)
    assert torch.equal(answers.logits, model(batch.context, batch.queries))
    expected = torch.nn.functional.cross_entropy(answers.logits.flatten(0, 1), batch.targets.flatten())
    assert torch.equal(answers.loss, expected)


@pytest.mark.filterwarnings("ignore")
def test_a_model_directory_of_a_stream_answers_at_every_token(tmp_path):
    model = models.create("lstm", STREAM, width=8, tied=True).eval()
    back = AutoModel.from_pretrained(export_huggingface(model, tmp_path / "stream"))
    drawn = STREAM.sample(3, torch.Generator().manual_seed(0))
    said = back(drawn.inputs, labels=drawn.labels)
    assert torch.equal(said.logits, model.read(drawn.inputs))
    asked = drawn.ask(model)
    torch.testing.assert_close(said.loss, torch.nn.functional.cross_entropy(asked.logits, asked.targets))


@pytest.mark.parametrize(
    ("name", "options"),
    [("mamba", {"layers": 2}), ("transformer", {"positions": "learned"}), ("log-linear", {}), ("ttt", {"batch": 3})],
)
@pytest.mark.filterwarnings("ignore")
def test_a_stream_of_tokens_is_a_language_model(tmp_path, name, options):
    """Greedy generation, token by token from the state, is the argmax of reading everything anew."""
    torch.manual_seed(0)
    model = models.create(name, STREAM, width=8, **options).eval()
    back = AutoModelForCausalLM.from_pretrained(export_huggingface(model, tmp_path / "stream"))
    assert isinstance(back, SeparatrixForCausalLM)
    tokens = start = STREAM.sample(3, torch.Generator().manual_seed(0)).inputs[:, :5]
    for _ in range(6):
        tokens = torch.cat([tokens, model.read(tokens)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(back.generate(start, max_new_tokens=6, do_sample=False, pad_token_id=0), tokens)
    assert torch.equal(back.generate(start, max_new_tokens=6, do_sample=False, use_cache=False), tokens)
    beams = back.generate(start, max_new_tokens=4, num_beams=3, do_sample=False)
    assert torch.equal(beams, back.generate(start, max_new_tokens=4, num_beams=3, do_sample=False, use_cache=False))
    said = back(tokens, labels=tokens)
    expected = torch.nn.functional.cross_entropy(said.logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    torch.testing.assert_close(said.loss, expected)


@pytest.mark.filterwarnings("ignore")
def test_what_is_no_language_model_says_so(tmp_path):
    folder = export_huggingface(models.create("lstm", TASK, width=8), tmp_path / "task")
    with pytest.raises(InputError, match="load it with AutoModel"):
        AutoModelForCausalLM.from_pretrained(folder)
    stream = AutoModelForCausalLM.from_pretrained(
        export_huggingface(models.create("lstm", STREAM, width=8), tmp_path / "stream")
    )
    with pytest.raises(InputError, match="padded"):
        stream(torch.zeros(1, 3, dtype=torch.long), attention_mask=torch.tensor([[0, 1, 1]]))


@pytest.mark.filterwarnings("ignore")
def test_what_is_pushed_is_the_model_and_its_card(tmp_path, monkeypatch):
    sent: dict[str, bytes] = {}

    def upload(self, *, folder_path, repo_id, **_):
        sent.update({path.name: path.read_bytes() for path in Path(folder_path).iterdir()} | {"to": repo_id})
        return "done"

    monkeypatch.setattr(HfApi, "create_repo", lambda self, repo_id, **_: SimpleNamespace(repo_id=f"me/{repo_id}"))
    monkeypatch.setattr(HfApi, "upload_folder", upload)
    model = models.create("mamba", STREAM, width=8).eval()
    wrapped = AutoModelForCausalLM.from_pretrained(export_huggingface(model, tmp_path / "model"))
    assert wrapped.push_to_hub("tiny") == "done" and sent["to"] == "me/tiny"
    card, numbers = sent["README.md"].decode(), models.measured_numbers("mamba", STREAM, width=8)
    assert card == (tmp_path / "model" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers") and f"a state of {numbers} numbers" in card
    (tmp_path / "got").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "got" / name).write_bytes(sent[name])
    tokens = STREAM.sample(2, torch.Generator().manual_seed(0)).inputs
    got = AutoModelForCausalLM.from_pretrained(tmp_path / "got")
    assert torch.equal(got(tokens).logits, model.read(tokens))


def test_a_model_directory_executes_no_python_file(tmp_path):
    config = {"name": "/tmp/evil.py:Model", "width": 8}
    with pytest.raises(InputError, match="Python file"):
        SeparatrixModel(SeparatrixModel.config_class(task=TASK.model_dump(), model=config))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder"):
        export_huggingface(models.create("lstm", TASK, width=8), tmp_path / "file")
