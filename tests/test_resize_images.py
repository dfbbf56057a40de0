import numpy as np
import pytest
from cad_folder import error_line, files_in, run, write_views
from PIL import Image

from pose_data.cli import UserError
from pose_data.resize_images import resize_image


def test_images_become_128_with_lanczos_first_and_grey_then_once(tmp_path):
    write_views(tmp_path, ["car/01", "car/02"], size=500)
    noise = np.random.default_rng(1).integers(256, size=(600, 600, 4), dtype=np.uint8)
    noise[..., 3] = 255  # as the paper's code left them: 600x600, red, green, blue, opaque
    Image.fromarray(noise).save(tmp_path / "car/01/0.png")
    expected = Image.fromarray(noise[..., :3]).resize((128, 128), Image.Resampling.LANCZOS).convert("L")
    grey_first = Image.fromarray(noise[..., :3]).convert("L").resize((128, 128), Image.Resampling.LANCZOS)
    assert (np.asarray(expected) != np.asarray(grey_first)).any()
    result = run("resize_images", data_dir=tmp_path)
    assert result.returncode == 0 and "6 images resized" in result.stdout, result.stderr
    for path in tmp_path.rglob("*.png"):
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((128, 128), "L")
    np.testing.assert_array_equal(Image.open(tmp_path / "car/01/0.png"), expected)
    before = files_in(tmp_path)
    result = run("resize_images", data_dir=tmp_path, num_workers=1)
    assert result.returncode == 0 and "0 images resized" in result.stdout
    assert files_in(tmp_path) == before


def test_a_damaged_image_is_named_and_not_touched(tmp_path):
    write_views(tmp_path, ["car/01"], size=500)
    path = tmp_path / "car/01/1.png"
    path.write_bytes(path.read_bytes()[:1000])
    line = error_line(run("resize_images", data_dir=tmp_path, num_workers=1))
    assert f"{path}: damaged image" in line and "delete it" in line
    assert path.stat().st_size == 1000


def test_colours_of_a_palette_are_filtered_as_colours(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(256, size=(500, 500, 3), dtype=np.uint8)).quantize(64)
    image.save(tmp_path / "0.png")
    resize_image(tmp_path / "0.png", 128)
    expected = image.convert("RGB").resize((128, 128), Image.Resampling.LANCZOS).convert("L")
    np.testing.assert_array_equal(Image.open(tmp_path / "0.png"), expected)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    (tmp_path / "0.png").write_bytes(content)
    with pytest.raises(UserError, match=r"0\.png: damaged"):
        resize_image(tmp_path / "0.png", 128)


def test_a_copy_nested_by_a_second_cp_is_refused(tmp_path):
    write_views(tmp_path, ["car/01"])
    write_views(tmp_path / "rotate", ["car/01"])
    assert "`cp -r` ran twice" in error_line(run("resize_images", data_dir=tmp_path))


def test_a_missing_folder_is_named(tmp_path):
    assert "nowhere: no such folder" in error_line(run("resize_images", data_dir=tmp_path / "nowhere"))
