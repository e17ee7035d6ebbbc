"""The notebook of the documentation runs from its first cell to its last, and shows what it says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("slicer", reason="slicer-core draws the pictures")

NOTEBOOK = Path(__file__).resolve().parents[2] / "Docs" / "notebook.ipynb"


@pytest.mark.slow
def test_the_notebook_runs_and_shows_pictures_tables_and_a_page(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert len(notebook.cells) == 10
    client = nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3")
    client.km = client.create_kernel_manager()
    client.km.kernel_spec.argv[0] = sys.executable
    client.execute()
    shown = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs if "data" in o]
    assert sum("image/png" in o.data for o in shown) == 3
    pages = [o.data["text/html"] for o in shown if "text/html" in o.data]
    assert "hd95_mm" in pages[-1]
    assert any("<iframe" in page and "Simulated case" in page for page in pages)
    assert "scene.mrb" in shown[-1].data["text/plain"]
