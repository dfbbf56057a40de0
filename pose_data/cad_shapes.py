"""Parametric shape builders, one per object class, for cad_models.py.

Every builder is called as builder(rng, index) and returns one trimesh.Trimesh of (V, 3) vertices and (F, 3)
faces: x is forward, y is left, z is up, and the longest side is about one unit. The index walks through the
styles of the class (a sail boat, a motor boat, ...), so that even a handful of objects differ in their parts;
the generator draws the proportions and the extras. No shape maps onto itself under a turn about the vertical
axis, except for the bottles; trains nearly do under a half turn. Both classes are skipped later.

Parts simply overlap (no boolean operations), and are at least about 0.03 thick: at 128x128 pixels thinner
ones vanish. In the comments, `s` is the side: -1 is right, 1 is left.
"""

from itertools import pairwise

import numpy as np
import trimesh
from shapely.geometry import Polygon
from trimesh import creation
from trimesh.transformations import rotation_matrix

# ------------------------------------------------------------------------------------------------------ parts
# An extent is a (low, high) pair in either order, or a width centred on zero.


def _interval(extent):
    return (-extent / 2, extent / 2) if np.isscalar(extent) else (min(extent), max(extent))


def block(x, y, z):
    """An axis-aligned box over the extents x, y and z."""
    return creation.box(bounds=np.transpose([_interval(x), _interval(y), _interval(z)]))


def rod(start, end, radius=0.018):
    """A round bar between two points."""
    return creation.cylinder(radius=radius, segment=[start, end], sections=10)


def tubes(points, radius=0.018):
    """Bars along a polyline."""
    return [rod(start, end, radius) for start, end in pairwise(points)]


def disc(x, y, z, radius, width):
    """A solid wheel about the axis along y through (x, y, z)."""
    return creation.cylinder(radius, segment=[(x, y - width / 2, z), (x, y + width / 2, z)], sections=20)


def tyre(x, z, radius, tube):
    """A torus in the xz plane, of outer radius `radius`."""
    torus = creation.torus(radius - tube, tube, major_sections=24, minor_sections=8)
    return torus.apply_transform(rotation_matrix(np.pi / 2, (1, 0, 0))).apply_translation((x, 0, z))


def ball(size, at):
    """An ellipsoid with the three side lengths `size`, centred on `at`."""
    return creation.icosphere(subdivisions=2, radius=0.5).apply_scale(size).apply_translation(at)


def lathe(profile, axis="z", at=(0, 0, 0)):
    """A solid of revolution; profile lists (radius, position along the axis) with rising positions."""
    solid = creation.revolve(np.asarray(profile, float), sections=16)
    if axis == "x":
        solid.vertices = solid.vertices[:, [2, 0, 1]]  # a cyclic permutation is a rotation
    return solid.apply_translation(at)


def plan(outline, z):
    """A polygon in (x, y) extruded over the extent z."""
    low, high = _interval(z)
    return creation.extrude_polygon(Polygon(outline), high - low).apply_translation((0, 0, low))


def profile(outline, y):
    """A polygon in (x, z) extruded over the extent y."""
    low, high = _interval(y)
    return plan(outline, (-high, -low)).apply_transform(rotation_matrix(np.pi / 2, (1, 0, 0)))


def taper(solid, bottom=(1, 1), top=(1, 1)):
    """Scales x and y about the z axis by factors that run linearly from the bottom to the top."""
    v = solid.vertices.copy()
    height = (v[:, 2:] - v[:, 2].min()) / np.ptp(v[:, 2])
    v[:, :2] *= (1 - height) * bottom + height * np.asarray(top)
    solid.vertices = v
    return solid


def both(*parts):
    """The parts and their mirror images on the other side of the plane y = 0."""
    return [*parts, *(part.copy().apply_transform(np.diag((1, -1, 1, 1))) for part in parts)]


def join(parts, turn=0.0, by=(0, 0, 0)):
    """Joins parts into one mesh, then turns it about z (radians) and shifts it."""
    return trimesh.util.concatenate(parts).apply_transform(rotation_matrix(turn, (0, 0, 1))).apply_translation(by)


def shift(point, x=0.0, y=0.0, z=0.0):
    """The point, moved."""
    return np.add(point, (x, y, z))


def ellipse(a, b):
    """The outline of an ellipse with half axes a and b."""
    t = np.arange(24) * np.pi / 12
    return np.stack([a * np.cos(t), b * np.sin(t)], axis=1)


def crate(size, at):
    """An open box; `at` is the middle of its underside."""
    x, y, z = size
    walls = [block(x, y, (0, 0.03)), *both(block(x, (y / 2 - 0.03, y / 2), (0, z)))]
    walls += [block((s * (x / 2 - 0.03), s * x / 2), y, (0, z)) for s in (-1, 1)]
    return join(walls, by=at)


def pick(styles, index):
    """The style of object number `index`."""
    return styles[index % len(styles)]


# ---------------------------------------------------------------------------------------------------- classes


def _wings(root, sweep, span, chord, tip, z, rise):
    """Both halves of a wing or tailplane; root: x of its leading edge, chord and tip: its chords, rise: dihedral."""
    half = plan([(root, 0), (root - sweep, span), (root - sweep - tip, span), (root - chord, 0)], 0.032)
    half.vertices += np.outer(half.vertices[:, 1], (0, 0, rise))
    half.apply_translation((0, 0, z))
    return both(half)


def _propeller(at, radius, turn):
    tip = radius * np.array((0, np.cos(turn), np.sin(turn)))
    return [rod(at - tip, at + tip), lathe([(0.025, -0.02), (0, 0.04)], "x", at)]


def _engine(at, radius, length):
    """A nacelle; `at` is the middle of its front."""
    outline = [(0, -length), (0.6 * radius, -length), (radius, -0.4 * length), (radius, 0), (0, 0)]
    return lathe(outline, "x", at)


def aeroplane(rng, index):
    """Jets with two, three or four engines, propeller planes and fighters; low and high wings, T-tails."""
    u = rng.uniform
    style = pick(("two jets", "light", "four jets", "rear jets", "fighter", "two propellers"), index)
    jet, propellers = "jet" in style, style in ("light", "two propellers")
    r = {"light": u(0.06, 0.075), "fighter": u(0.045, 0.055)}.get(style, u(0.055, 0.07))
    nose = u(0.4, 0.44)
    outline = [(0, -0.5), (0.35 * r, -0.49), (r, -0.2), (r, nose - 0.12), (0.7 * r, nose), (0, 0.5)]
    parts = [lathe(outline, "x")]

    high = style == "light" or (style == "two propellers" and rng.random() < 0.7)
    z, rise = (0.9 * r, 0.02) if high else (-0.5 * r, u(0.05, 0.13))
    root, sweep, span = u(0.12, 0.18), u(0.2, 0.28) if jet else u(0.0, 0.03), u(0.42, 0.5)
    chord, tip = u(0.2, 0.26), u(0.06, 0.09) if jet else u(0.12, 0.16)
    if style == "fighter":  # delta wings
        root, sweep, span, chord, tip = 0.12, u(0.3, 0.36), u(0.28, 0.34), u(0.42, 0.5), u(0.06, 0.09)
    parts += _wings(root, sweep, span, chord, tip, z, rise)

    fin_top = r + u(0.15, 0.2)
    fin = [(-0.3, 0), (-0.43, fin_top), (-0.52, fin_top), (-0.48, 0)]
    if style == "fighter" and rng.random() < 0.5:
        parts += both(profile(fin, (1.3 * r - 0.018, 1.3 * r + 0.018)))
    else:
        parts.append(profile(fin, 0.036))
    t_tail = style == "rear jets" or (style == "two propellers" and rng.random() < 0.5)
    parts += _wings(-0.38, 0.08 if jet else 0.03, u(0.15, 0.19), 0.13, 0.08, fin_top if t_tail else 0.3 * r, 0.03)

    for place in {"two jets": (0.36,), "four jets": (0.3, 0.62)}.get(style, ()):  # fractions of the span
        at = (root - sweep * place + 0.06, place * span, z + rise * place * span - 0.045)
        parts += both(_engine(at, u(0.035, 0.042), 0.15))
    if style == "two propellers":
        at = np.array((root + 0.08, 0.36 * span, z))
        parts += both(_engine(at, 0.035, 0.2), *_propeller(shift(at, 0.01), u(0.09, 0.11), u(0, np.pi)))
    if style == "rear jets":
        parts += both(_engine((-0.18, r + 0.04, 0.3 * r), 0.036, 0.18))
    if propellers:  # a fixed undercarriage
        parts += both(rod((0.08, 0.05, -0.5 * r), (0.08, 0.11, -r - 0.05), 0.016),
                      disc(0.08, 0.11, -r - 0.05, 0.035, 0.032))
    if style == "light":
        parts += _propeller(np.array((0.5, 0, 0)), u(0.11, 0.14), u(0, np.pi))
        parts += both(rod((0.08, r, -0.4 * r), (0.08, 0.55 * span, z), 0.016))
    if style == "fighter":  # canopy and air intakes
        parts.append(ball((0.2, 0.06, 0.07), (0.2, 0, r)))
        parts += both(block((-0.25, 0.15), (r - 0.025, r + 0.025), (-r, 0.4 * r)))
    return join(parts)


def bicycle(rng, index):
    """Diamond, step-through and folding frames; straight, drop and high handlebars; baskets and racks."""
    u = rng.uniform
    style = pick(("diamond", "city", "road", "folding", "cruiser", "cargo"), index)
    rear_r = u(0.11, 0.12) if style == "folding" else u(0.19, 0.21)
    front_r = u(0.13, 0.15) if style == "cargo" else rear_r
    hub, axle = (rear_r - 0.5, 0, rear_r), (0.5 - front_r, 0, front_r)  # rear, front
    tube = 0.018 if style == "road" else 0.021
    parts = []
    for (x, _, z), r in ((hub, rear_r), (axle, front_r)):
        parts += [tyre(x, z, r, tube), disc(x, 0, z, 0.035, 0.06)]
        for a in u(0, np.pi / 3) + np.arange(3) * np.pi / 3:  # six spokes
            spoke = 0.95 * (r - tube) * np.array((np.cos(a), 0, np.sin(a)))
            parts.append(join([rod(-spoke, spoke, 0.014)], by=(x, 0, z)))

    crank = np.array((-0.06, 0, rear_r - 0.01))
    saddle = np.array((u(-0.17, -0.13), 0, u(0.46, 0.52)))
    head = np.array((axle[0] - u(0.09, 0.12), 0, u(0.45, 0.5)))
    low = shift(head, 0.02, 0, -0.09)
    post = saddle - crank
    parts += [rod(crank, saddle), rod(low, crank, 0.02), rod(crank, hub, 0.016), rod(crank + 0.8 * post, hub, 0.016)]
    parts += [rod(shift(head, -0.01, 0, 0.05), low, 0.02), *both(rod(low, shift(axle, 0, 0.03), 0.016))]
    step_through = style in ("city", "folding", "cruiser")
    parts.append(rod(shift(low, 0, 0, 0.02), crank + (0.35 if step_through else 0.85) * post, 0.02))
    parts.append(join([plan([(-0.09, -0.06), (-0.09, 0.06), (0.08, 0.01), (0.08, -0.01)], (0, 0.04))], by=saddle))

    # The chain wheel is on the right; one pedal points forward, the other one back.
    parts.append(disc(crank[0], -0.035, crank[2], u(0.05, 0.065), 0.03))
    for s in (-1, 1):
        pedal = shift(crank, s * 0.08, s * 0.07, s * 0.03)
        parts += [rod(shift(crank, 0, s * 0.04), pedal, 0.016), join([block(0.06, 0.06, 0.03)], by=pedal)]
    stem, half = shift(head, -0.015, 0, 0.07), u(0.15, 0.2)
    if style == "road":  # drop bars
        bends = [(0, 0, 0), (0, 0.11, 0), (0.09, 0.11, -0.01), (0.07, 0.11, -0.1)]
    else:
        back, up = {"cruiser": (-0.16, 0.12), "city": (-0.1, 0.03)}.get(style, (-0.02, 0.02))
        bends = [(0, 0, 0), (0.3 * back, 0.8 * half, up), (back, half, up)]
    parts += both(*tubes([shift(stem, *bend) for bend in bends]))
    if style == "city":
        parts.append(crate((0.17, 0.22, 0.13), (axle[0] + 0.02, 0, head[2] - 0.02)))
    if style == "cargo":
        parts.append(crate((0.26, 0.3, 0.16), (axle[0], 0, 2 * front_r + 0.12)))
    if style in ("city", "diamond") and rng.random() < 0.8:  # a rack over the rear wheel
        z = 2 * rear_r + 0.02
        parts.append(block((hub[0] - 0.12, hub[0] + 0.14), 0.1, (z, z + 0.03)))
        parts += both(rod(shift(hub, 0, 0.04), (hub[0] - 0.08, 0.04, z), 0.016))
    return join(parts)


def _hull_outline(half, stern, fullness):
    """A hull seen from above: a flat stern at x = -0.5, the bow at x = 0.5, half its width at x = 0."""
    x = np.linspace(-0.5, 0.5, 15)
    y = half * np.where(x < 0, 1 - (1 - stern) * (2 * x) ** 2, 1 - np.abs(2 * x) ** fullness)
    return Polygon(np.concatenate([np.stack([x, y], 1), np.stack([x, -y], 1)[-2::-1]]))


def _cabin(rear, front, width, z, height, lean):
    """A deck house under an overhanging roof; its front and rear walls lean inwards."""
    length = front - rear
    walls = taper(block(length, width, (z, z + height)), top=(lean, 0.85))
    roof = block(length * lean + 0.04, 0.85 * width + 0.04, (z + height, z + height + 0.03))
    return join([walls, roof], by=((rear + front) / 2, 0, 0))


def boat(rng, index):
    """Sail, motor, rowing and fishing boats and freighters."""
    u = rng.uniform
    style = pick(("sail", "cabin", "rowing", "cargo", "speed", "fishing"), index)
    half, deck = (u(0.11, 0.13), u(0.13, 0.16)) if style == "cargo" else (u(0.14, 0.18), u(0.12, 0.15))
    stern, fullness = (u(0.85, 0.95), u(1.5, 1.8)) if style == "speed" else (u(0.6, 0.85), u(2.0, 3.0))
    outline = _hull_outline(half, stern, fullness)
    rim = outline.difference(outline.buffer(-0.035, join_style="mitre"))
    parts = [taper(plan(outline, (0, deck)), bottom=(0.82, 0.6)), plan(rim, (deck - 0.01, deck + 0.045))]
    for part in parts:  # the bow rises
        part.vertices += np.outer(np.clip(part.vertices[:, 0], 0, None) ** 2, (0, 0, 0.25))

    if style == "sail":
        mast, top, boom = u(0.02, 0.1), u(0.85, 1.0), u(0.38, 0.46)
        parts += [rod((mast, 0, deck - 0.02), (mast, 0, top)),
                  rod((mast, 0, deck + 0.1), (mast - boom, 0, deck + 0.1)),
                  profile([(mast, deck + 0.12), (mast, top - 0.02), (mast - boom, deck + 0.12)], 0.03),
                  _cabin(-0.12, 0.16, 1.1 * half, deck, 0.06, 0.9)]
        if rng.random() < 0.8:  # a jib
            parts.append(profile([(mast + 0.04, deck + 0.15), (mast + 0.02, 0.85 * top), (0.48, deck + 0.1)], 0.03))
    elif style == "cabin":
        rear = u(-0.25, -0.15)
        parts += [_cabin(rear, 0.18, 1.4 * half, deck, u(0.11, 0.14), u(0.75, 0.9)),
                  _cabin(rear, 0.02, 1.1 * half, deck + 0.12, u(0.1, 0.13), u(0.75, 0.9)),
                  rod((rear + 0.06, 0, deck), (rear + 0.02, 0, deck + 0.45))]
    elif style == "rowing":  # the oars lean backwards
        parts += [block((x - 0.03, x + 0.03), 1.7 * half, (deck - 0.02, deck + 0.03)) for x in (-0.38, -0.1, 0.14)]
        blade = (u(-0.2, -0.05), half + 0.24, deck - 0.06)
        parts += both(rod((0.0, 0.05, deck + 0.1), blade), ball((0.09, 0.15, 0.035), blade))
    elif style == "cargo":  # the bridge and the funnel are at the stern
        parts += [_cabin(-0.44, -0.3, 1.5 * half, deck, u(0.2, 0.26), 0.95),
                  rod((-0.4, 0.03, deck), (-0.4, 0.03, deck + 0.38), 0.03),
                  rod((0.38, 0, deck), (0.38, 0, deck + 0.2))]
        for x in np.arange(-0.25, 0.24, 0.125):
            parts.append(block((x, x + 0.1), 1.4 * half, (deck - 0.01, deck + 0.055 * rng.integers(1, 4))))
    elif style == "speed":
        parts.append(profile([(0.0, deck), (0.1, deck), (-0.03, deck + 0.17), (-0.07, deck + 0.17)], 1.5 * half))
        parts.append(join([taper(block(0.34, 1.3 * half, (deck, deck + 0.05)), top=(0.8, 0.7))], by=(0.2, 0, 0)))
        parts += both(block((-0.2, -0.12), (0.03, 0.11), (deck - 0.02, deck + 0.12)))
        parts.append(block((-0.42, -0.36), 1.3 * half, (deck - 0.02, deck + 0.09)))
        parts.append(block((-0.6, -0.49), 0.08, (0.02, deck + u(0.1, 0.14))))  # the outboard engine
    else:  # fishing: a wheelhouse in front, a mast with a derrick behind it
        mast = u(-0.12, -0.05)
        parts += [_cabin(0.08, 0.26, 1.2 * half, deck, u(0.19, 0.24), 0.9),
                  rod((mast, 0, deck), (mast, 0, deck + 0.5)),
                  rod((mast, 0, deck + 0.12), (-0.45, 0.05, deck + 0.38)),
                  block((-0.32, -0.2), (0.0, 0.1), (deck - 0.02, deck + 0.08))]
    return join(parts)


def bus(rng, index):
    """City, school and mini buses, coaches, double-deckers with and without a roof; the doors are on the right."""
    u = rng.uniform
    style = pick(("city", "double", "school", "coach", "open top", "mini"), index)
    wide, length = u(0.24, 0.28), u(0.68, 0.75) if style == "mini" else 1.0
    rear, front = -length / 2, length / 2 - (0.17 if style == "school" else 0)  # a school bus has a bonnet
    floor, sill = 0.06, 0.2 if style == "coach" else 0.15
    windows = [(sill, sill + u(0.1, 0.12))]  # z of the window bands
    if style in ("double", "open top"):
        windows.append((windows[0][1] + 0.07, windows[0][1] + 0.07 + u(0.09, 0.1)))
    skirts = [(floor, sill), *((low[1], high[0]) for low, high in pairwise(windows))]  # z of the panels below
    top = windows[-1][1]
    # The glass is an inner block. Panels stand out from it, and out from under the roof: lit from above, their
    # upper edges are what shows where the windows are.
    inner = wide - 0.08
    open_top = style == "open top"
    parts = [block((rear + 0.02, front - 0.03), inner, (floor, skirts[-1][1] if open_top else top + 0.01))]
    for z in skirts:
        door = 0.14 if z[0] == floor else 0
        parts.append(block((rear, front), (inner / 2 - 0.01, wide / 2), z))
        parts.append(block((rear, front - door), (-wide / 2, 0.01 - inner / 2), z))
        parts.append(block((front - 0.05, front), wide, (z[0] + (0.03 if door else 0), z[1])))
    posts = np.linspace(rear, front - 0.16, rng.integers(4, 7))
    for z in windows[:1] if open_top else windows:
        for x in posts:
            parts += both(block((x, x + 0.034), (inner / 2 - 0.01, wide / 2 - 0.015), z))
    parts.append(block((rear, rear + 0.03), wide - 0.03, (floor, skirts[-1][1] if open_top else top)))
    if open_top:  # a roof over the front, rows of seats behind it
        cover, deck = front - u(0.28, 0.36), skirts[-1][1]
        parts += [block((cover, front), wide - 0.03, (top, top + 0.035)),
                  block((cover, front - 0.03), inner, (deck - 0.01, top + 0.01)),
                  block((rear, rear + 0.03), wide, (deck - 0.01, deck + 0.05))]
        parts += both(block((rear, cover), (wide / 2 - 0.03, wide / 2), (deck - 0.01, deck + 0.05)))
        rows = np.arange(rear + 0.08, cover - 0.06, 0.11)
        parts += [block((x, x + 0.03), wide - 0.09, (deck - 0.02, deck + 0.09)) for x in rows]
    else:  # the roof slopes towards the windscreen; the air conditioning sits at the rear
        slope = u(0.04, 0.12)
        outline = [(rear, top), (front, top), (front, top + 0.02), (front - slope, top + 0.055), (rear, top + 0.055)]
        parts.append(profile(outline, wide - 0.03))
        unit = rear + u(0.05, 0.12)
        parts.append(block((unit, unit + u(0.16, 0.26)), 0.6 * wide, (top + 0.05, top + u(0.09, 0.11))))
    z, y = windows[0][1], wide / 2  # mirrors hang in front of the windscreen
    parts += both(rod((front - 0.02, y - 0.02, z), (front + 0.05, y + 0.03, z), 0.016),
                  block((front + 0.03, front + 0.065), (y + 0.005, y + 0.05), (z - 0.09, z + 0.01)))
    if style == "school":
        parts += [profile([(front, floor), (front + 0.17, floor), (front + 0.17, 0.14), (front, 0.18)], 0.8 * wide),
                  block((front + 0.15, front + 0.19), wide, (floor, floor + 0.04))]
    radius = u(0.055, 0.065)
    for x in (rear + 0.2 * length, front - (0.0 if style == "school" else 0.22 * length)):
        parts += both(disc(x, wide / 2 - 0.01, radius, radius, 0.05))
    return join(parts)


def car(rng, index):
    """Saloons, hatchbacks, estates, pickups, vans, sports, open and off-road cars."""
    u = rng.uniform
    # x of windscreen base, roof start, roof end and rear window base; heights of bonnet, boot, roof and floor.
    styles = {
        "saloon": (0.2, 0.06, -0.23, -0.38, 0.17, 0.18, 0.31, 0.05),
        "pickup": (0.24, 0.13, -0.03, -0.06, 0.2, 0.2, 0.36, 0.08),
        "hatchback": (0.26, 0.13, -0.3, -0.45, 0.18, 0.2, 0.36, 0.05),
        "open": (0.18, 0.1, 0.07, 0.06, 0.17, 0.17, 0.29, 0.05),
        "off-road": (0.2, 0.16, -0.44, -0.47, 0.24, 0.24, 0.43, 0.1),
        "van": (0.4, 0.2, -0.46, -0.49, 0.2, 0.22, 0.43, 0.05),
        "sports": (0.14, -0.02, -0.16, -0.4, 0.13, 0.17, 0.26, 0.05),
        "estate": (0.24, 0.1, -0.4, -0.48, 0.18, 0.19, 0.33, 0.05),
    }
    style = pick(tuple(styles), index)
    screen, start, end, back, bonnet, boot, roof, floor = styles[style]
    screen, start, end, roof = np.add((screen, start, end, roof), u(-0.018, 0.018, 4))
    wide, belt = u(0.38, 0.43), max(bonnet, boot) + 0.01
    side = wide / 2
    nose = [(0.5, floor), (0.5, bonnet - 0.05), (screen, belt)]
    if style == "pickup":  # a cab, and an open bed behind it
        parts = [profile([(back, floor), *nose, (back, belt)], wide),
                 block((-0.5, back), wide, (floor, floor + 0.05)), block((-0.5, -0.46), wide, (floor, boot)),
                 *both(block((-0.5, back), (side - 0.04, side), (floor, boot)))]
    elif style == "open":  # a tub with two rows of seats
        parts = [profile([(screen - 0.05, floor), *nose, (screen - 0.05, belt)], wide),
                 block((-0.5, -0.28), wide, (floor, boot)), block((-0.3, screen), wide, (floor, floor + 0.04)),
                 *both(block((-0.3, screen), (side - 0.035, side), (floor, belt)))]
        for x in (-0.2, -0.02):
            parts += both(block((x - 0.045, x), (0.03, 0.15), (floor, belt + 0.06)))
        parts.append(rod((0.1, 0.1, belt - 0.05), (0.06, 0.1, belt), 0.03))  # the steering wheel
    else:
        parts = [profile([(-0.5, floor), *nose, (back, belt), (-0.5, boot - 0.01)], wide)]

    # The glass is a tapered inner block; the roof and the pillars stand out from it.
    lean = 0.9 if style in ("van", "off-road") else 0.82
    if style == "open":
        posts, end = [(screen, start)], start - 0.01
    else:
        posts = [(screen, start), ((screen + back) / 2, (start + end) / 2), (back, end)]
        glass = [(screen, belt - 0.01), (start, roof), (end, roof), (back, belt - 0.01)]
        parts.append(taper(profile(glass, wide - 0.05), top=(1, lean)))
    parts.append(block((end - 0.01, start + 0.01), wide * lean, (roof - 0.005, roof + 0.03)))
    for low, high in posts:
        parts += both(rod((low, side - 0.015, belt - 0.01), (high, side * lean - 0.01, roof + 0.005), 0.017))
    parts += both(ball((0.05, 0.06, 0.05), (screen - 0.06, side + 0.02, belt + 0.02)),  # mirrors, headlights
                  ball((0.05, 0.08, 0.05), (0.49, 0.72 * side, bonnet - 0.07)))
    parts += [block((x - 0.02, x + 0.02), 0.96 * wide, (floor, floor + 0.05)) for x in (-0.5, 0.5)]
    radius = u(0.095, 0.11) if style in ("off-road", "pickup") else u(0.075, 0.088)
    for x in (u(-0.33, -0.3), u(0.29, 0.32)):
        parts += both(disc(x, side - 0.02, radius, radius, 0.07), disc(x, side + 0.01, radius, 0.4 * radius, 0.03))
    if style == "off-road":  # a spare wheel behind, a box on the roof
        parts.append(lathe([(0, -0.03), (0.1, -0.03), (0.1, 0.03), (0, 0.03)], "x", (-0.53, u(-0.06, 0.06), 0.24)))
        parts.append(block((end + 0.05, start - 0.12), 0.6 * wide, (roof + 0.02, roof + 0.07)))
    if style == "sports" or (style == "saloon" and rng.random() < 0.4):  # a spoiler
        parts.append(block((-0.52, -0.44), 0.95 * wide, (boot + 0.05, boot + 0.08)))
        parts += both(block((-0.49, -0.455), (0.12, 0.16), (boot - 0.03, boot + 0.06)))
    return join(parts)


def chair(rng, index):
    """Dining, office, easy and bar chairs; four legs, a pedestal or a sled; slats, rungs or a panel behind."""
    u = rng.uniform
    style = pick(("slats", "office", "arms", "ladder", "shell", "panel", "easy", "bar", "sled"), index)
    wide, deep, seat = u(0.42, 0.5), u(0.4, 0.48), u(0.42, 0.47)
    leg, top, lean = u(0.02, 0.03), u(0.92, 1.0), u(0.04, 0.12)
    if style == "easy":
        wide, deep, seat, top, lean = u(0.58, 0.66), u(0.56, 0.62), u(0.3, 0.34), u(0.8, 0.88), u(0.14, 0.22)
    if style == "bar":
        wide, deep, seat = u(0.36, 0.4), u(0.32, 0.36), u(0.66, 0.72)
    rear, front, y = leg - deep / 2, deep / 2 - leg, wide / 2 - leg
    parts = [block(deep, wide, (seat - 0.05, seat))]

    def back_x(z):  # the back leans
        return rear - lean * (z - seat) / (top - seat)

    def panel(width, low, high, thick=0.045):
        x, x1 = back_x(low) - thick / 2, back_x(high) - thick / 2
        return profile([(x, low), (x + thick, low), (x1 + thick, high), (x1, high)], width)

    if style == "office":  # a star of five feet
        parts.append(rod((0, 0, 0.05), (0, 0, seat - 0.02), 0.03))
        for a in u(0, 1) + np.arange(5) * 2 * np.pi / 5:
            foot = np.array((0.26 * np.cos(a), 0.26 * np.sin(a), 0.045))
            parts += [rod((0, 0, 0.09), foot, 0.022), ball((0.08, 0.08, 0.08), foot)]
    elif style == "shell":
        parts.append(lathe([(0, 0), (0.23, 0), (0.21, 0.03), (0.03, 0.05), (0.03, seat - 0.02), (0, seat - 0.02)]))
        sheet = profile([(rear, seat), (front, seat), (rear, seat + 0.25)], (y - 0.01, y + leg))
        parts += both(sheet)
    elif style == "sled":  # two bent tubes; nothing below the rear of the seat
        parts += both(*tubes([(rear, y, leg), (front, y, leg), (front, y, seat - 0.03)], leg))
        parts.append(rod((rear, -y, leg), (rear, y, leg), leg))
    else:
        splay = u(0.0, 0.05)
        for x in (rear, front):
            parts += both(rod((x + np.sign(x) * splay, y + splay, 0), (x, y, seat - 0.02), leg))
        if style in ("ladder", "slats", "bar"):  # stretchers
            parts += both(rod((rear, y, 0.18), (front, y, 0.18), 0.016))
            parts.append(rod((front, -y, 0.25), (front, y, 0.25), 0.016))

    if style in ("slats", "ladder", "arms", "bar", "sled"):  # an open back between two posts
        parts += both(rod((back_x(seat), y, seat - 0.04), (back_x(top), y, top), leg))
        parts.append(panel(wide, top - 0.08, top))
        if style == "slats":
            for slat in np.linspace(-y, y, rng.integers(5, 7))[1:-1]:
                parts.append(rod((back_x(seat), slat, seat - 0.02), (back_x(top), slat, top - 0.04)))
        elif style != "bar":
            rungs = np.linspace(seat + 0.12, top - 0.2, 3 if style == "ladder" else 1)
            parts += [panel(wide, z, z + 0.07) for z in rungs]
    elif style == "office":
        parts += [panel(0.9 * wide, seat + 0.14, top), rod((rear, 0, seat - 0.02), (back_x(seat), 0, seat + 0.2), 0.03)]
    else:
        parts.append(panel(wide, seat - 0.04, top, 0.09 if style == "easy" else 0.05))
    if style in ("arms", "easy", "office") or (style == "sled" and rng.random() < 0.5):
        z = seat + u(0.17, 0.22)
        parts += both(block((back_x(z), front - 0.04), (y - 0.02, y + 0.03), (z - 0.035, z)),
                      rod((front - 0.08, y, seat - 0.02), (front - 0.08, y, z - 0.01)))
    if style in ("easy", "panel"):  # a cushion
        parts.append(block((rear + 0.04, front + 0.03), 0.9 * wide, (seat - 0.01, seat + 0.05)))
    return join(parts)


def _dining_chair(x, y, turn, back):
    """A small chair beside a table; it faces +x before the turn."""
    parts = [block(0.2, 0.2, (0.22, 0.25)), block((-0.1, -0.07), 0.2, (back - 0.1, back + 0.01))]
    parts += both(rod((-0.085, 0.085, 0), (-0.085, 0.085, back), 0.016),
                  rod((0.085, 0.085, 0), (0.085, 0.085, 0.23), 0.016))
    return join(parts, turn, (x, y, 0))


def diningtable(rng, index):
    """Rectangular, round and oval tables; chairs, a bench, a drawer or a hanging leaf tell the sides apart."""
    u = rng.uniform
    style = pick(("bench", "round", "drawer", "trestle", "oval", "leaf"), index)
    top, back = u(0.38, 0.42), u(0.5, 0.56)
    if style in ("round", "oval"):
        a, b = (u(0.34, 0.38),) * 2 if style == "round" else (u(0.42, 0.46), u(0.27, 0.31))
        foot = [(0, 0), (0.2, 0), (0.18, 0.03), (0.05, 0.08), (0.04, 0.3), (0.09, top - 0.02), (0, top - 0.02)]
        bowl = [(0, top - 0.01), (0.05, top), (0.11, top + 0.06), (0, top + 0.04)]
        parts = [plan(ellipse(a, b), (top - 0.04, top)), lathe(foot), lathe(bowl, at=(-0.4 * a, 0, 0))]
        for turn in (0, u(0.8, 1.1) if style == "round" else np.pi / 2):  # two neighbouring chairs
            parts.append(_dining_chair(a * np.cos(turn), b * np.sin(turn), turn + np.pi, back))
        return join(parts)

    x, y = u(0.39, 0.45), u(0.21, 0.25)  # half the length, half the width
    parts = [block(2 * x, 2 * y, (top - 0.04, top))]
    if style == "trestle":
        for s in (-1, 1):
            parts.append(block((s * (x - 0.14), s * (x - 0.1)), 0.06, (0, top - 0.02)))
            parts.append(block((s * (x - 0.16), s * (x - 0.08)), 1.7 * y, (0, 0.04)))
        parts.append(block(2 * x - 0.22, 0.032, (0.14, 0.19)))
    else:
        for s in (-1, 1):
            parts += both(block((s * (x - 0.06), s * (x - 0.01)), (y - 0.06, y - 0.01), (0, top - 0.02)))
        parts.append(block(2 * x - 0.06, 2 * y - 0.06, (top - 0.09, top - 0.02)))
    if style in ("bench", "trestle"):  # a bench along one side, a chair at one end
        half, at = u(0.28, 0.35), -y - u(0.06, 0.12)
        parts.append(block(2 * half, (at - 0.08, at + 0.08), (0.2, 0.24)))
        parts += [block((s * (half - 0.09), s * (half - 0.05)), (at - 0.06, at + 0.06), (0, 0.22)) for s in (-1, 1)]
        parts.append(_dining_chair(x + 0.05, 0, np.pi, back))
    elif style == "drawer":  # an open drawer on one side, two chairs on the other
        parts.append(crate((0.26, 0.24, 0.07), (u(-0.15, 0.15), -y - 0.05, top - 0.11)))
        parts += [_dining_chair(s * 0.2, y + 0.04, -np.pi / 2, back) for s in (-1, 1)]
    else:  # a hanging leaf at one end, a vase and a chair at the other
        parts.append(block((-x - 0.035, 0.005 - x), 2 * y, (top - u(0.2, 0.26), top)))
        vase = [(0, top - 0.01), (0.05, top), (0.07, top + 0.08), (0.03, top + 0.15), (0.05, top + 0.2), (0, top + 0.2)]
        parts.append(lathe(vase, at=(x - 0.15, u(-0.05, 0.05), 0)))
        parts.append(_dining_chair(x - 0.25, y + 0.05, -np.pi / 2, back))
    return join(parts)


def motorbike(rng, index):
    """Sport, cruiser, touring and dirt bikes and scooters; the exhaust is on the right."""
    u = rng.uniform
    style = pick(("sport", "cruiser", "scooter", "touring", "dirt"), index)
    r = {"scooter": u(0.12, 0.135), "dirt": u(0.19, 0.21)}.get(style, u(0.165, 0.185))
    tube = 0.03 if style == "dirt" else u(0.042, 0.05)
    rear, front = r - 0.5, 0.5 - r
    parts = []
    for x in (rear, front):
        parts += [tyre(x, r, r, tube), disc(x, 0, r, 0.4 * r, 0.07), disc(x, 0, r, 0.75 * r, 0.032)]
    rake = {"cruiser": 0.2, "dirt": 0.14}.get(style, 0.11)
    head = np.array((front - rake, 0, {"dirt": 0.5, "scooter": 0.46}.get(style, u(0.42, 0.47))))
    parts += both(rod(shift(head, 0, 0.05), (front, 0.055, r), 0.02))
    back, up = {"cruiser": (-0.12, 0.14), "touring": (-0.08, 0.08), "sport": (-0.02, 0.0)}.get(style, (-0.05, 0.07))
    half = u(0.17, 0.21)
    grip = shift(head, 0.5 * back, 0.7 * half, up)
    parts += both(*tubes([head, grip, shift(head, back, half, up)], 0.02))
    if style != "dirt":
        mirror = shift(grip, 0.02, 0.03, 0.08)
        parts += both(rod(grip, mirror, 0.015), ball((0.04, 0.07, 0.05), mirror))
    parts.append(ball((0.09, 0.1, 0.1), shift(head, 0.05, 0, -0.04)))  # the headlight

    if style == "scooter":  # a shield in front, a flat floor, a bulky rear
        x = head[0]
        parts.append(profile([(x + 0.02, 0.12), (x + 0.06, 0.12), (x + 0.02, 0.42), (x - 0.02, 0.42)], u(0.24, 0.28)))
        parts += [block((-0.12, x + 0.04), 0.2, (0.1, 0.14)), block((-0.44, -0.06), 0.17, (0.31, 0.37)),
                  join([taper(block(0.38, 0.2, (0.12, 0.32)), top=(0.95, 0.75))], by=(-0.26, 0, 0))]
        parts.append(profile([(front - r, r), (front + 0.1, 2 * r), (front - 0.1, 2 * r + 0.06)], 0.1))
        if rng.random() < 0.7:  # a top case
            parts.append(block((-0.52, -0.36), 0.18, (0.36, 0.5)))
        return join(parts)

    seat, rise = {"cruiser": (0.3, 0.0), "dirt": (0.44, 0.05), "sport": (0.37, 0.09)}.get(style, (0.37, 0.0))
    tank = shift(head, -0.15, 0, -0.02 if style == "dirt" else -0.05)
    parts += [ball((u(0.26, 0.32), u(0.13, 0.17), u(0.13, 0.16)), tank),
              rod(head, (rear + 0.12, 0, seat - 0.04), 0.025),
              block((-0.12, 0.12), u(0.13, 0.17), (0.11, 0.29)), disc(0, 0, 0.18, 0.07, 0.24)]  # the engine
    parts += [rod((-0.3, 0, seat), (rear, 0, r)), *both(rod((-0.1, 0.06, 0.2), (rear, 0.06, r), 0.02))]
    x = tank[0] - 0.06
    parts.append(profile([(x, seat - 0.04), (x, seat + 0.01), (-0.26, seat + 0.01), (-0.42, seat + rise + 0.04),
                          (-0.44, seat + rise), (-0.26, seat - 0.05)], u(0.11, 0.15)))
    muffler = (-0.48, -0.12, 0.36) if style in ("sport", "dirt") else (-0.5, -0.12, 0.13)
    parts += [rod((0.1, -0.1, 0.12), (-0.12, -0.12, 0.12), 0.022), rod((-0.12, -0.12, 0.12), muffler, 0.034)]
    if style == "sport":  # a fairing
        parts.append(profile([(0.05, 0.12), (0.2, 0.16), (0.36, 0.4), (0.24, 0.52), (0.12, 0.4)], u(0.17, 0.2)))
    if style == "touring":  # a windscreen and cases
        parts.append(profile([(0.24, 0.36), (0.3, 0.36), (0.2, 0.66), (0.16, 0.66)], u(0.26, 0.3)))
        parts += [block((-0.52, -0.34), 0.24, (0.42, 0.55)), *both(block((-0.46, -0.22), (0.07, 0.18), (0.2, 0.36)))]
    if style == "cruiser":  # a backrest
        parts += [rod((-0.4, 0, 0.3), (-0.47, 0, 0.52), 0.025), block((-0.49, -0.45), 0.12, (0.42, 0.55))]
    if style == "dirt":  # a flat mudguard high above the wheel
        x, z = front + 0.16, 2 * r
        parts.append(profile([(x - 0.36, z - 0.02), (x, z + 0.03), (x, z + 0.06), (x - 0.36, z + 0.02)], 0.09))
    else:
        parts.append(ball((1.5 * r, 2.6 * tube, 0.7 * r), (front + 0.02, 0, 1.75 * r)))
    return join(parts)


def sofa(rng, index):
    """Two and three seats, a chaise on the left or right, one arm only, rolled arms, a footstool."""
    u = rng.uniform
    style = pick(("three seats", "corner", "two seats", "one arm", "rolled", "footstool"), index)
    side = u(0.36, 0.41) if style == "two seats" else 0.5
    rear, front, base = -u(0.19, 0.22), u(0.19, 0.22), 0.05
    seat, top, lean = u(0.18, 0.21), u(0.38, 0.46), u(0.02, 0.06)
    arm, back = u(0.07, 0.11), rear + u(0.09, 0.12)
    s = 1 if rng.random() < 0.5 else -1  # the side of the chaise or of the only arm
    parts = [block((rear, front), 2 * side, (base, seat - 0.05))]
    parts.append(profile([(rear, base), (back, base), (back - lean, top), (rear - lean, top)], 2 * side))
    arm_top = seat + u(0.09, 0.13)
    for t in (s,) if style == "one arm" else (-1, 1):
        parts.append(block((rear, front), (t * side, t * (side - arm)), (base, arm_top)))
    if style == "rolled":
        middle = side - arm / 2
        parts += both(rod((rear, middle, arm_top), (front + 0.01, middle, arm_top), 0.065))
        parts.append(rod((rear - lean + 0.03, -side, top), (rear - lean + 0.03, side, top), 0.06))

    ends = sorted((s * (side - arm), -s * (side - (0 if style == "one arm" else arm))))
    for low, high in pairwise(np.linspace(*ends, 4 if style in ("three seats", "corner", "footstool") else 3)):
        y = (low + 0.012, high - 0.012)
        parts.append(block((back - 0.02, front + 0.015), y, (seat - 0.06, seat)))
        if style not in ("rolled", "one arm"):
            x = back - 0.8 * lean
            parts.append(block((x, x + 0.07), y, (seat - 0.01, top + 0.01)))
    if style == "corner":  # an L with a chaise
        y = (s * side, s * (side - u(0.3, 0.34)))
        parts.append(block((front - 0.05, front + u(0.26, 0.34)), y, (base, seat - 0.01)))
    if style == "footstool":
        x, y = front + u(0.12, 0.16), u(-0.2, 0.2)
        parts += [block((x, x + 0.2), (y - 0.14, y + 0.14), (base, seat - 0.01)),
                  rod((x + 0.1, y, 0), (x + 0.1, y, 0.1), 0.05)]
    if rng.random() < 0.6 or style in ("one arm", "rolled"):  # a scatter cushion at one end
        pillow = block(0.06, 0.17, (0, 0.17)).apply_transform(rotation_matrix(-0.4, (0, 1, 0)))
        parts.append(join([pillow], by=(back + 0.08, -s * (side - arm - 0.13), seat)))
    for x in (rear + 0.04, front - 0.04):
        parts += both(rod((x, side - 0.05, 0), (x, side - 0.05, base + 0.02), 0.022))
    return join(parts)


def tvmonitor(rng, index):
    """Flat screens on a pedestal, two feet or an arm, tube sets, computer monitors; things stand in front."""
    u = rng.uniform
    style = pick(("pedestal", "two feet", "tube", "arm", "keyboard"), index)
    high = u(0.7, 0.76) if style == "tube" else u(0.54, 0.62)
    low = {"tube": 0.05, "two feet": u(0.06, 0.1)}.get(style, u(0.14, 0.2))
    frame, thick, z = u(0.035, 0.06), u(0.04, 0.055), (low, low + high)
    # The frame stands out in front of the screen.
    parts = [block((-thick, 0), 1.0, z), *both(block((-0.01, 0.045), (0.5 - frame, 0.5), z))]
    parts += [block((-0.01, 0.045), 1.0, (z[1] - frame, z[1])), block((-0.01, 0.045), 1.0, (low, low + 1.6 * frame))]
    if style == "tube":  # the set tapers to the back; the knobs are on the left
        back = taper(block(1.0, high, (-u(0.4, 0.48), -thick)), bottom=(u(0.45, 0.55), u(0.4, 0.5)))
        back.vertices = back.vertices[:, [2, 0, 1]] + (0, 0, low + high / 2)
        knob = block((0.03, 0.09), (0.3, 0.44), (low + 0.02, low + 0.09))
        return join([*parts, back, knob, block((-0.3, 0.1), 0.7, (0, low + 0.02))])

    parts.append(block((-thick - u(0.05, 0.08), 0), 0.6, (low + 0.08, low + 0.6 * high)))
    parts = [join(parts).apply_transform(rotation_matrix(-u(0.06, 0.2), (0, 1, 0), (0, 0, low)))]  # leans back
    if style == "two feet":
        y, bar = u(0.3, 0.4), u(-0.08, 0.08)
        parts += both(*(rod((x, y, 0.02), (-0.03, y, low + 0.03), 0.02) for x in (-0.2, 0.2)))
        parts.append(block((0.16, 0.26), (bar - 0.3, bar + 0.3), (0, 0.08)))  # the sound bar
        return join(parts)
    parts.append(block((-0.09, -0.02), 0.12, (0.1, low + 0.15)))
    if style == "arm":  # from a heavy foot at the back
        parts += [*tubes([(-0.05, 0, low + 0.1), (-0.3, 0.1, low + 0.1), (-0.3, 0.1, 0)], 0.035),
                  join([plan(ellipse(0.15, 0.2), (0, 0.035))], by=(-0.25, 0.05, 0))]
        return join(parts)
    parts.append(block((-0.09, -0.02), 0.12, (0, 0.15)))
    if style == "pedestal":  # with a small loudspeaker on the left
        foot = plan(ellipse(u(0.18, 0.22), u(0.25, 0.32)), (0, 0.035))
        parts += [join([foot], by=(0.05, 0, 0)), block((0.0, 0.1), (0.34, 0.44), (0, 0.12))]
    else:  # with a keyboard and a mouse
        parts += [block((-0.2, 0.08), u(0.34, 0.42), (0, 0.035)), block((0.26, 0.44), (-0.34, 0.26), (0, 0.04)),
                  ball((0.13, 0.08, 0.07), (0.35, -0.42, 0.03))]
    return join(parts)


def bottle(rng, index):
    """Wine, beer and water bottles and flasks: solids of revolution."""
    u = rng.uniform
    style = pick(("wine", "beer", "water", "flask"), index)
    r, neck = u(0.19, 0.22) if style == "flask" else u(0.13, 0.17), u(0.045, 0.06)
    shoulder = {"wine": 0.62, "beer": 0.5, "water": 0.72, "flask": 0.45}[style]
    return lathe([(0, 0), (r, 0), (r, shoulder), (neck, shoulder + u(0.1, 0.15)), (neck, 0.93), (1.3 * neck, 0.93),
                  (1.3 * neck, 1), (0, 1)])


def train(rng, index):
    """Railcars with a cab at either end; on some, a pantograph is the only cue to the front."""
    u = rng.uniform
    style = pick(("railcar", "metro", "electric", "tram"), index)
    wide, top, nose = u(0.16, 0.19), u(0.2, 0.24), u(0.02, 0.06)
    end = [(0.5, 0.05), (0.5, 0.13), (0.5 - nose, top)]
    body = profile([*end, *((-x, z) for x, z in end[::-1])], wide)
    parts = [body, block(0.9 - 2 * nose, 0.7 * wide, (top - 0.01, top + 0.03))]
    for x in (-0.36, -0.24, 0.24, 0.36):
        parts += both(disc(x, wide / 2 - 0.02, 0.035, 0.035, 0.03))
    for x in np.linspace(-0.36, 0.36, rng.integers(4, 7)):
        parts.append(block((x - 0.03, x + 0.03), wide + 0.012, (0.12, 0.12 + 0.4 * (top - 0.05))))
    if style in ("electric", "tram"):
        parts += both(rod((0.1, 0.05, top), (0.2, 0.05, top + 0.1), 0.016))
        parts.append(rod((0.2, -0.07, top + 0.1), (0.2, 0.07, top + 0.1), 0.016))
    return join(parts)
