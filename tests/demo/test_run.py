import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from proxyset.cli.demo import demo
from proxyset.client.ledger import Ledger
from proxyset.demo.digits import DIGITS_SMALL
from proxyset.demo.run import Setting, run_demo
from proxyset.errors import InvalidInput
from proxyset.wire.release import Release

app = typer.Typer()
app.command()(demo)


def test_one_exchange_end_to_end(tmp_path):
    """One domain, one seed. The gain there is 16 ± 4 points: no gain at all is a false alarm once in 10,000 runs."""
    out, keep = tmp_path / "out", tmp_path / "keep"
    options = ["--out", str(out), "--domains", "pendigits", "--seeds", "1", "--keep", str(keep), "--json"]
    done = CliRunner().invoke(app, options, catch_exceptions=False)
    averages = json.loads(done.stdout)
    record = json.loads((out / "results.json").read_text())
    assert averages["1000"] == record["averages"]["1000"]
    assert record["averages"]["1000"]["gain_over_random"]["mean"] > 0
    (run,) = record["runs"]
    shares = {(score["method"], score["budget"]): score["own_share"] for score in run["scores"]}
    assert shares["ecos", 1000] > 0.2 > shares["random", 1000]  # 9 % of the pool
    assert {score["budget"] for score in run["scores"]} == {300, 1000, None}
    assert run["exchange"]["epsilon"] == pytest.approx(0.58) and run["exchange"]["delta"] == 1e-5
    assert run["exchange"]["bytes_up"] < 2000 and run["exchange"]["bytes_down"] < 20_000

    cloud, client = keep / "pendigits-0" / "cloud", keep / "pendigits-0" / "client"
    assert pq.read_schema(client / "private.parquet").names == [
        "id",
        "image",
    ]  # no labels on the private side
    pool = set(pq.read_table(cloud / "pool.parquet", columns=["id"]).column("id").to_pylist())
    private = set(pq.read_table(client / "private.parquet", columns=["id"]).column("id").to_pylist())
    assert len(pool) == 11_000 and len(private) == 1000 and not pool & private
    release = Release.from_bytes(
        (cloud / "releases" / f"{run['exchange']['released']}.safetensors").read_bytes()
    )
    ledger = Ledger.open(client / "ledger.sqlite")
    assert ledger.spent() == pytest.approx(release.privacy.rho)

    html = (out / "report.html").read_text()
    highest, lowest = int(release.counts.max()), str(int(release.counts.min())).replace("-", "−")
    assert f'<p class="count">{highest}</p>' in html and f'<p class="count">{lowest}</p>' in html
    assert str(tmp_path) not in html and str(Path.home()) not in html


def test_what_cannot_be_run(tmp_path):
    with pytest.raises(InvalidInput, match="no domain 'svhn': choose mnist"):
        run_demo(DIGITS_SMALL, Setting(("svhn",)), lambda run, done, total: None)
    with pytest.raises(InvalidInput, match="at least one"):
        run_demo(DIGITS_SMALL, Setting(()), lambda run, done, total: None)
    (tmp_path / "there").mkdir()
    with pytest.raises(InvalidInput, match="already exists"):
        CliRunner().invoke(app, ["--keep", str(tmp_path / "there")], catch_exceptions=False)
