"""The run record takes the figures of a scores file, and refuses a missing one."""

import importlib.util
import json
from pathlib import Path

PATH = Path(__file__).resolve().parents[2] / "tools" / "record_scores.py"
_SPEC = importlib.util.spec_from_file_location("record_scores", PATH)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
main = _MODULE.main


def test_figures_land_under_blind(tmp_path):
    figure = {"label": "action", "value": 61.0, "lower": 55.0, "upper": 66.0, "chance": 5.0}
    (tmp_path / "s.json").write_text(json.dumps({"counts": {"n_films": 2, "n_expected": 40}, "figures": [figure]}))
    (tmp_path / "r.json").write_text(json.dumps({"metrics": {"loss": 1.0}}))
    assert main([str(tmp_path / "s.json"), "--record", str(tmp_path / "r.json")]) == 0
    metrics = json.loads((tmp_path / "r.json").read_text())["metrics"]
    assert metrics["loss"] == 1.0 and metrics["blind"]["films"] == 2
    assert metrics["blind"]["action"] == {"value": 61.0, "low": 55.0, "high": 66.0}
    assert metrics["blind"]["action, chance"] == 5.0


def test_a_missing_file_is_refused(tmp_path, capsys):
    assert main([str(tmp_path / "absent.json")]) == 2
    assert "no such file" in capsys.readouterr().err
