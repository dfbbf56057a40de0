"""Shape builders of what stands in a room: chair, diningtable, sofa, tvmonitor, bottle. See cad_parts.py."""

from itertools import pairwise

import numpy as np
from trimesh.transformations import rotation_matrix

from pose_data.cad_parts import ball, block, both, crate, ellipse, join, lathe, pick, plan, profile, rod, taper, tubes


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
        parts += both(
            block((back_x(z), front - 0.04), (y - 0.02, y + 0.03), (z - 0.035, z)),
            rod((front - 0.08, y, seat - 0.02), (front - 0.08, y, z - 0.01)),
        )
    if style in ("easy", "panel"):  # a cushion
        parts.append(block((rear + 0.04, front + 0.03), 0.9 * wide, (seat - 0.01, seat + 0.05)))
    return join(parts)


def _dining_chair(x, y, turn, back):
    """A small chair beside a table; it faces +x before the turn."""
    parts = [block(0.2, 0.2, (0.22, 0.25)), block((-0.1, -0.07), 0.2, (back - 0.1, back + 0.01))]
    parts += both(
        rod((-0.085, 0.085, 0), (-0.085, 0.085, back), 0.016), rod((0.085, 0.085, 0), (0.085, 0.085, 0.23), 0.016)
    )
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
        parts += [
            block((x, x + 0.2), (y - 0.14, y + 0.14), (base, seat - 0.01)),
            rod((x + 0.1, y, 0), (x + 0.1, y, 0.1), 0.05),
        ]
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
        parts += [
            *tubes([(-0.05, 0, low + 0.1), (-0.3, 0.1, low + 0.1), (-0.3, 0.1, 0)], 0.035),
            join([plan(ellipse(0.15, 0.2), (0, 0.035))], by=(-0.25, 0.05, 0)),
        ]
        return join(parts)
    parts.append(block((-0.09, -0.02), 0.12, (0, 0.15)))
    if style == "pedestal":  # with a small loudspeaker on the left
        foot = plan(ellipse(u(0.18, 0.22), u(0.25, 0.32)), (0, 0.035))
        parts += [join([foot], by=(0.05, 0, 0)), block((0.0, 0.1), (0.34, 0.44), (0, 0.12))]
    else:  # with a keyboard and a mouse
        parts += [
            block((-0.2, 0.08), u(0.34, 0.42), (0, 0.035)),
            block((0.26, 0.44), (-0.34, 0.26), (0, 0.04)),
            ball((0.13, 0.08, 0.07), (0.35, -0.42, 0.03)),
        ]
    return join(parts)


def bottle(rng, index):
    """Wine, beer and water bottles and flasks: solids of revolution."""
    u = rng.uniform
    style = pick(("wine", "beer", "water", "flask"), index)
    r, neck = u(0.19, 0.22) if style == "flask" else u(0.13, 0.17), u(0.045, 0.06)
    shoulder = {"wine": 0.62, "beer": 0.5, "water": 0.72, "flask": 0.45}[style]
    return lathe(
        [
            (0, 0),
            (r, 0),
            (r, shoulder),
            (neck, shoulder + u(0.1, 0.15)),
            (neck, 0.93),
            (1.3 * neck, 0.93),
            (1.3 * neck, 1),
            (0, 1),
        ]
    )
