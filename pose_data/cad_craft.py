"""Shape builders of what flies or floats: aeroplane, boat. See cad_parts.py."""

import numpy as np
from shapely.geometry import Polygon

from pose_data.cad_parts import ball, block, both, disc, join, lathe, pick, plan, profile, rod, shift, taper


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
        parts += both(
            rod((0.08, 0.05, -0.5 * r), (0.08, 0.11, -r - 0.05), 0.016), disc(0.08, 0.11, -r - 0.05, 0.035, 0.032)
        )
    if style == "light":
        parts += _propeller(np.array((0.5, 0, 0)), u(0.11, 0.14), u(0, np.pi))
        parts += both(rod((0.08, r, -0.4 * r), (0.08, 0.55 * span, z), 0.016))
    if style == "fighter":  # canopy and air intakes
        parts.append(ball((0.2, 0.06, 0.07), (0.2, 0, r)))
        parts += both(block((-0.25, 0.15), (r - 0.025, r + 0.025), (-r, 0.4 * r)))
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
        parts += [
            rod((mast, 0, deck - 0.02), (mast, 0, top)),
            rod((mast, 0, deck + 0.1), (mast - boom, 0, deck + 0.1)),
            profile([(mast, deck + 0.12), (mast, top - 0.02), (mast - boom, deck + 0.12)], 0.03),
            _cabin(-0.12, 0.16, 1.1 * half, deck, 0.06, 0.9),
        ]
        if rng.random() < 0.8:  # a jib
            parts.append(profile([(mast + 0.04, deck + 0.15), (mast + 0.02, 0.85 * top), (0.48, deck + 0.1)], 0.03))
    elif style == "cabin":
        rear = u(-0.25, -0.15)
        parts += [
            _cabin(rear, 0.18, 1.4 * half, deck, u(0.11, 0.14), u(0.75, 0.9)),
            _cabin(rear, 0.02, 1.1 * half, deck + 0.12, u(0.1, 0.13), u(0.75, 0.9)),
            rod((rear + 0.06, 0, deck), (rear + 0.02, 0, deck + 0.45)),
        ]
    elif style == "rowing":  # the oars lean backwards
        parts += [block((x - 0.03, x + 0.03), 1.7 * half, (deck - 0.02, deck + 0.03)) for x in (-0.38, -0.1, 0.14)]
        blade = (u(-0.2, -0.05), half + 0.24, deck - 0.06)
        parts += both(rod((0.0, 0.05, deck + 0.1), blade), ball((0.09, 0.15, 0.035), blade))
    elif style == "cargo":  # the bridge and the funnel are at the stern
        parts += [
            _cabin(-0.44, -0.3, 1.5 * half, deck, u(0.2, 0.26), 0.95),
            rod((-0.4, 0.03, deck), (-0.4, 0.03, deck + 0.38), 0.03),
            rod((0.38, 0, deck), (0.38, 0, deck + 0.2)),
        ]
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
        parts += [
            _cabin(0.08, 0.26, 1.2 * half, deck, u(0.19, 0.24), 0.9),
            rod((mast, 0, deck), (mast, 0, deck + 0.5)),
            rod((mast, 0, deck + 0.12), (-0.45, 0.05, deck + 0.38)),
            block((-0.32, -0.2), (0.0, 0.1), (deck - 0.02, deck + 0.08)),
        ]
    return join(parts)
