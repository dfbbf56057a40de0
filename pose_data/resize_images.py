"""Step 2 of the pose data: shrinks the views to 128x128 pixels (Lanczos) and then to grey, in place, so on a copy.

    cp -r DATA/rotate DATA/rotate_resize
    python resize_images.py --data_dir=DATA/rotate_resize

Costs about 4 ms of CPU an image: 15 s for 6,700 images on two cores. Images that have the size are left alone, so it
can be interrupted and run again.
"""

from absl import flags
from PIL import Image

from metalearn import workers
from metalearn.cli import run_main
from metalearn.files import atomic_path
from pose_data import rotate_folder

FLAGS = flags.FLAGS


def shrink(image, image_size):
    """A PIL image at image_size x image_size, 8-bit grey: Lanczos first, then grey, as the paper's code."""
    if image.mode in ("1", "P"):  # whose pixels are no brightness that a filter could average
        image = image.convert("RGB")
    return image.resize((image_size, image_size), Image.Resampling.LANCZOS).convert("L")


def resize_image(path, image_size):
    """Make the image file `path` image_size x image_size, 8-bit grey; return whether it had to be changed."""
    with rotate_folder.open_view(path) as image:
        if image.size == (image_size, image_size) and image.mode == "L":
            image.load()  # or it is damaged
            return False
        resized = shrink(image, image_size)
    with atomic_path(path) as temporary:
        resized.save(temporary, compress_level=1)
    return True


def resize_object(task):
    """Resize the views in one object folder and return how many were changed; `task` is (folder, image_size)."""
    folder, image_size = task
    return sum(resize_image(path, image_size) for path in rotate_folder.image_paths(folder).values())


def main(_):
    tasks = [(folder, FLAGS.image_size) for folder in rotate_folder.object_folders(FLAGS.data_dir)]
    progress = workers.Progress("resized", len(tasks))
    workers.run_tasks(resize_object, tasks, FLAGS.num_workers, progress.add)
    print(f"{progress.num_images} images resized in {FLAGS.data_dir}, the others had that size already")


def define_flags():
    flags.DEFINE_string("data_dir", None, "Copy of the rotate/ folder of mujoco_render.py.", required=True)
    flags.DEFINE_integer("image_size", 128, "Width and height in pixels.", 1, rotate_folder.MAX_IMAGE_SIZE)
    flags.DEFINE_integer("num_workers", workers.default_num_workers(), "Processes.", 1, workers.MAX_NUM_WORKERS)


if __name__ == "__main__":
    define_flags()
    run_main(main)
