"""What another library would cost: in proportion, and from what lies on the disk."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dml_lib import library, scale


def test_costs_are_those_of_the_map_times_the_number_of_sounds(folder, small_weights, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        library.update([folder], tmp_path / "map", small_weights, executor=pool, progress=False, say=str)
    mapped = library.Library.open(tmp_path / "map")
    seconds = scale.pace(mapped, 3)
    assert 0 < seconds < 5
    cost = scale.cost(mapped, seconds, n=7_000_000_000)  # a thousand million maps of seven sounds: a byte of one is a GB
    assert cost["cpu_hours"] == pytest.approx(7e9 * seconds / 3600)
    assert cost["previews_gb"] == pytest.approx(sum(p.stat().st_size for p in (tmp_path / "map" / "audio").glob("*.mp3")))
    assert cost["table_gb"] == pytest.approx((tmp_path / "map" / "map.parquet").stat().st_size)
    assert cost["frames_gb"] > 7 * 10 * 192 * 2 and cost["memory_gb"] > 7 * 200  # half floats; long strings
    half = scale.cost(mapped, seconds, n=3_500_000_000)
    assert {name: value / 2 for name, value in cost.items()} == pytest.approx(half)
