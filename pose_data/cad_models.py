"""Writes the built-in CAD models: 65 parametric meshes of ten PASCAL3D+ classes that look like what they are.

    python cad_models.py --out_dir=CAD

Takes about 4 seconds on one core. Every object becomes <out_dir>/<class>/<NN>.off: z is up, the longest side of
its bounding box is 1 and the box is centred on the origin. A few bottles and trains are written as well; later
steps skip these two classes for their symmetry.

Where zero is, --zero says:
  class      every object of a class faces the same way, as in PASCAL3D+;
  half       a random half of the objects is turned about z by a random angle: a collection of mixed conventions;
  arbitrary  every object is.
The more objects are turned, the less the class says about an unseen object's angle: what an angle means must come from
the labelled views of that very object.

An object depends on (zero, seed, class, index) alone: asking for more objects never changes the first ones.
"""

import zlib
from pathlib import Path

import numpy as np
from absl import flags
from trimesh.transformations import rotation_matrix

from pose_data import cad_craft, cad_furniture, cad_road
from pose_data.cli import UserError, atomic_path, run_main

# Default number of objects; the shape builders have the names of the classes.
CLASSES = {
    "aeroplane": 8,
    "bicycle": 6,
    "boat": 6,
    "bus": 6,
    "car": 9,
    "chair": 9,
    "diningtable": 6,
    "motorbike": 5,
    "sofa": 6,
    "tvmonitor": 4,
}
# Written too, as PASCAL3D+ has them, and skipped later. --objects_per_class does not change their number.
SYMMETRIC_CLASSES = {"bottle": 4, "train": 4}

ZEROS = ("class", "half", "arbitrary")

BUILDERS = {name: builder for module in (cad_craft, cad_furniture, cad_road) for name, builder in vars(module).items()}

# OFF files allow comments; this one marks a file as ours, so that a downloaded PASCAL3D+ is never overwritten.
HEADER = "OFF\n# written by pose_data/cad_models.py\n"


def build(class_name, index, seed=0, zero="class"):
    """Return object number `index` (from 0) of a class as a trimesh.Trimesh of longest side 1; zero: one of ZEROS."""
    key = [seed, zlib.crc32(class_name.encode()), index]
    rng = np.random.default_rng(key)
    turn = rng.uniform(0, 2 * np.pi)  # always drawn: the shape is the same for every `zero`
    is_turned = {"class": False, "half": np.random.default_rng([*key, 1]).random() < 0.5, "arbitrary": True}[zero]
    mesh = BUILDERS[class_name](rng, index)
    if is_turned:
        mesh.apply_transform(rotation_matrix(turn, (0, 0, 1)))
    return mesh.apply_translation(-mesh.bounds.mean(axis=0)).apply_scale(1 / mesh.extents.max())


def off_text(mesh):
    """Return a mesh as OFF text: vertices [V, 3] to six decimals, triangles [F, 3]."""
    vertices = (np.round(mesh.vertices, 6) + 0.0).tolist()  # + 0.0 turns -0 into 0
    lines = [f"{len(vertices)} {len(mesh.faces)} 0"]
    lines += [f"{x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices]
    lines += [f"3 {a} {b} {c}" for a, b, c in mesh.faces.tolist()]
    return HEADER + "\n".join(lines) + "\n"


def write_models(out_dir, objects_per_class=0, seed=0, zero="class"):
    """Write all objects and return their paths; objects_per_class = 0 stands for the default numbers.

    Raises UserError, before it writes anything, when out_dir is empty or a file of another origin is in the way.
    """
    if not str(out_dir):
        raise UserError("--out_dir is empty; name a folder, such as --out_dir=CAD")
    numbers = {name: objects_per_class or default for name, default in CLASSES.items()} | SYMMETRIC_CLASSES
    paths = {
        (name, index): Path(out_dir, name, f"{index + 1:02d}.off")
        for name, number in numbers.items()
        for index in range(number)
    }
    for path in paths.values():
        if path.exists() and not path.read_bytes().startswith(HEADER.encode()):
            raise UserError(f"--out_dir={out_dir}: {path} is not a file this script wrote; name a new folder")
    for (name, index), path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_bytes(off_text(build(name, index, seed, zero)).encode())
    return list(paths.values())


def main(_):
    args = flags.FLAGS
    try:
        paths = write_models(args.out_dir, args.objects_per_class, args.seed, args.zero)
    except OSError as error:
        raise UserError(f"--out_dir={args.out_dir} cannot be written ({error}); name another folder") from error
    skipped = sum(path.parent.name in SYMMETRIC_CLASSES for path in paths)
    print(
        f"wrote {len(paths) - skipped} objects in {len(CLASSES)} classes, and {skipped} in the classes skipped later "
        f"({', '.join(SYMMETRIC_CLASSES)}), to {args.out_dir}"
    )
    left = len(set(Path(args.out_dir).glob("*/*.off")) - set(paths))
    if left:
        print(f"note: {args.out_dir} still holds {left} .off files of an earlier, larger run; remove the folder first")


if __name__ == "__main__":
    flags.DEFINE_string("out_dir", "CAD", "folder to write <class>/<NN>.off to")
    flags.DEFINE_integer("objects_per_class", 0, "objects in each of the ten classes; 0: 65 in all", 0, 10_000)
    flags.DEFINE_integer("seed", 0, "another seed gives other objects", lower_bound=0)
    flags.DEFINE_enum(
        "zero", "class", ZEROS, "whose zero orientation is arbitrary: no object's, half of them, every one"
    )
    run_main(main)
