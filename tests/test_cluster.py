"""A Dask cluster of two worker processes makes the same map as this machine alone, whatever happens to a worker."""

import os
import subprocess
import sys

import pytest

from dml_lib import intake, library, paths

CLUSTER = """
import os, signal, sys, time
from distributed import Client, LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        print(cluster.scheduler_address, flush=True)
        pids = client.run(os.getpid)
        until = time.monotonic() + 300
        while not (busy := [worker for worker, tasks in client.processing().items() if tasks]) and time.monotonic() < until:
            time.sleep(0.005)
        os.kill(pids[busy[0]], signal.SIGKILL)
        print("killed", flush=True)
        sys.stdin.readline()
"""


def test_a_cluster_makes_the_same_map_and_a_killed_worker_loses_nothing(folder, small_weights, tmp_path):
    (tmp_path / "cluster.py").write_text(CLUSTER)
    here = {"cwd": paths.ROOT, "env": os.environ | {"PYTHONPATH": str(paths.ROOT)}, "text": True}
    with subprocess.Popen([sys.executable, tmp_path / "cluster.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **here) as cluster:
        library.update([folder], tmp_path / "alone", small_weights, progress=False, say=str)
        address = cluster.stdout.readline().strip()
        command = [sys.executable, "-m", "dml_lib", "map", str(folder), "--weights", str(small_weights), "--scheduler", address]
        done = subprocess.run([*command, "-o", str(tmp_path / "together")], capture_output=True, **here)
        assert done.returncode == 0, done.stderr
        assert cluster.stdout.readline() == "killed\n"
        cluster.communicate("end\n", timeout=120)
    for name in ("map.parquet", "skipped.csv", "duplicates.csv"):
        assert (tmp_path / "together" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name


def test_no_scheduler_is_said(monkeypatch):
    distributed = pytest.importorskip("distributed")

    def refuse(address):
        raise OSError("Timed out")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(ValueError, match="expected a Dask scheduler at tcp://127.0.0.1:9, found none .Timed out.: start one"):
        intake.cluster("tcp://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match="install dml_lib.cluster"):
        intake.cluster("tcp://127.0.0.1:9")
