"""Dask workers count what one process does, to the same bytes, also where one of them is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import napari_diatom as nd
from helpers.counting import count_season, record, results, save_season
from napari_diatom.core.errors import Stopped
from napari_diatom.counting import cluster, cluster_task

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five slides of two samples, one of them damaged."""
    return save_season(tmp_path_factory.mktemp("season") / "slides")


@pytest.fixture(scope="module")
def local() -> Iterator[object]:
    """A scheduler with two workers in processes of their own."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50
    ) as found:
        yield found


@pytest.fixture(scope="module")
def whole(slides: Path) -> Path:
    """The results of one process."""
    out = slides.parent / "whole"
    assert count_season(slides, out) == 3
    return out


def test_workers_that_are_started_here_give_the_same_bytes(
    slides: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Paths are those of this folder, not of the workers'.
    monkeypatch.chdir(slides.parent)
    assert count_season(Path("slides"), tmp_path / "out", "--scheduler", "local", "--workers", "2") == 3
    assert results(tmp_path / "out") == results(whole)
    assert [skipped["image"] for skipped in record(tmp_path / "out")["skipped"]] == ["lake/damaged.png"]
    assert not list((tmp_path / "out").glob(".napari-diatom/*.record"))


def test_what_is_started_here_listens_on_the_loopback_address_alone() -> None:
    with cluster._client_of(distributed, "local", 1, 1):
        own = psutil.Process()
        processes = [own, *own.children(recursive=True)]
        listening = [
            connection.laddr.ip
            for process in processes
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
    assert len(listening) >= 3
    assert set(listening) == {"127.0.0.1"}


def test_a_worker_that_is_killed_costs_no_image(slides: Path, whole: Path, tmp_path: Path, local: object) -> None:
    pids = [worker.pid for worker in local.workers.values()]  # type: ignore[attr-defined]
    out = tmp_path / "out"

    def kill_one() -> None:
        end = time.monotonic() + 120
        while not list(out.glob(".napari-diatom/**/lock-*")) and time.monotonic() < end:
            time.sleep(0.02)
        psutil.Process(pids[0]).kill()

    thread = threading.Thread(target=kill_one)
    thread.start()
    try:
        assert count_season(slides, out, "--scheduler", local.scheduler_address) == 3  # type: ignore[attr-defined]
    finally:
        thread.join()
    assert results(out) == results(whole)


def test_python_counts_on_a_scheduler_and_its_workers_keep_the_network(
    slides: Path, whole: Path, tmp_path: Path, local: object
) -> None:
    model, choices = nd.load_model("diatom-obb", threads=2), nd.CountChoices(threshold=0.1)
    address = local.scheduler_address  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match="damaged"):
        found = nd.count_images(slides, tmp_path / "out", model, choices, scheduler=address)
    assert results(tmp_path / "out") == results(whole)
    assert len(found) == len(nd.read_count(whole))
    with distributed.Client(address, set_as_default=False) as client:
        kept = client.run(lambda dask_worker: len(dask_worker.plugins[cluster_task.PLUGIN].kept))
    assert set(kept.values()) <= {0, 1}
    assert sum(kept.values()) >= 1


def test_a_run_that_is_stopped_goes_on(slides: Path, whole: Path, tmp_path: Path, local: object) -> None:
    from napari_diatom.core.progress import Progress

    def stop(progress: Progress) -> None:
        if progress.stage == "images" and progress.done >= 1:
            raise Stopped

    model, choices = nd.load_model("diatom-obb", threads=2), nd.CountChoices(threshold=0.1)
    address = local.scheduler_address  # type: ignore[attr-defined]
    with pytest.raises(Stopped):
        nd.count_images(slides, tmp_path / "out", model, choices, scheduler=address, report=stop)
    assert count_season(slides, tmp_path / "out", "--resume", "--scheduler", address) == 3
    assert results(tmp_path / "out") == results(whole)


def test_workers_with_certificates_are_used(slides: Path, whole: Path, tmp_path: Path) -> None:
    import dask

    secured = distributed.security.Security.temporary()
    files = {}
    for name, words in (
        ("ca-file", secured.tls_ca_file),
        ("cert", secured.tls_client_cert),
        ("key", secured.tls_client_key),
    ):
        files[name] = tmp_path / f"{name}.pem"
        files[name].write_text(words, encoding="utf-8")
    settings = {
        "distributed.comm.tls.ca-file": str(files["ca-file"]),
        "distributed.comm.tls.client.cert": str(files["cert"]),
        "distributed.comm.tls.client.key": str(files["key"]),
    }
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, protocol="tls://", security=secured, dashboard_address="127.0.0.1:0"
        ) as found,
        dask.config.set(settings),
    ):
        assert found.scheduler_address.startswith("tls://")
        assert count_season(slides, tmp_path / "out", "--scheduler", found.scheduler_address) == 3
    assert results(tmp_path / "out") == results(whole)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--scheduler", "host:8786"), "is no scheduler"),
        (("--scheduler", "tcp://"), "is no scheduler"),
        (("--scheduler", "tcp://127.0.0.1:9", "--workers", "2"), "leave out --workers"),
        (("--scheduler", "local", "--shard", "1/2"), "leave out --shard"),
        (("--scheduler", "tcp://127.0.0.1:9"), "No scheduler answers"),
        (("--scheduler", "local", "--precision", "int8"), "8 bits"),
    ],
)
def test_what_cannot_be_done_is_said(
    slides: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.setattr(cluster, "_ANSWER_SECONDS", 2)
    assert count_season(slides, tmp_path / "out", *arguments) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out" / "specimens.csv").exists()


def test_workers_of_other_versions_are_refused(
    slides: Path, tmp_path: Path, local: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = cluster_task.package_versions()
    monkeypatch.setattr(cluster_task, "package_versions", lambda: own | {"openvino": "2020.1"})
    address = local.scheduler_address  # type: ignore[attr-defined]
    assert count_season(slides, tmp_path / "out", "--scheduler", address) == 2
    said = capsys.readouterr().err
    assert "Not all workers can count these images" in said
    assert f"openvino {own['openvino']} (here 2020.1)" in said


def test_a_scheduler_without_workers_is_told(
    slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_WORKERS_SECONDS", 1)
    with distributed.LocalCluster(
        n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50
    ) as found:
        assert count_season(slides, tmp_path / "out", "--scheduler", found.scheduler_address) == 2
    assert "has no workers" in capsys.readouterr().err
