"""Shape builders of what rolls: bicycle, bus, car, motorbike, train. See cad_parts.py."""

from itertools import pairwise

import numpy as np

from pose_data.cad_parts import (
    ball,
    block,
    both,
    crate,
    disc,
    join,
    lathe,
    pick,
    plan,
    profile,
    rod,
    shift,
    taper,
    tubes,
    tyre,
)


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
        parts += [
            block((cover, front), wide - 0.03, (top, top + 0.035)),
            block((cover, front - 0.03), inner, (deck - 0.01, top + 0.01)),
            block((rear, rear + 0.03), wide, (deck - 0.01, deck + 0.05)),
        ]
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
    parts += both(
        rod((front - 0.02, y - 0.02, z), (front + 0.05, y + 0.03, z), 0.016),
        block((front + 0.03, front + 0.065), (y + 0.005, y + 0.05), (z - 0.09, z + 0.01)),
    )
    if style == "school":
        parts += [
            profile([(front, floor), (front + 0.17, floor), (front + 0.17, 0.14), (front, 0.18)], 0.8 * wide),
            block((front + 0.15, front + 0.19), wide, (floor, floor + 0.04)),
        ]
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
        parts = [
            profile([(back, floor), *nose, (back, belt)], wide),
            block((-0.5, back), wide, (floor, floor + 0.05)),
            block((-0.5, -0.46), wide, (floor, boot)),
            *both(block((-0.5, back), (side - 0.04, side), (floor, boot))),
        ]
    elif style == "open":  # a tub with two rows of seats
        parts = [
            profile([(screen - 0.05, floor), *nose, (screen - 0.05, belt)], wide),
            block((-0.5, -0.28), wide, (floor, boot)),
            block((-0.3, screen), wide, (floor, floor + 0.04)),
            *both(block((-0.3, screen), (side - 0.035, side), (floor, belt))),
        ]
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
    parts += both(
        ball((0.05, 0.06, 0.05), (screen - 0.06, side + 0.02, belt + 0.02)),  # mirrors, headlights
        ball((0.05, 0.08, 0.05), (0.49, 0.72 * side, bonnet - 0.07)),
    )
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
        parts += [
            block((-0.12, x + 0.04), 0.2, (0.1, 0.14)),
            block((-0.44, -0.06), 0.17, (0.31, 0.37)),
            join([taper(block(0.38, 0.2, (0.12, 0.32)), top=(0.95, 0.75))], by=(-0.26, 0, 0)),
        ]
        parts.append(profile([(front - r, r), (front + 0.1, 2 * r), (front - 0.1, 2 * r + 0.06)], 0.1))
        if rng.random() < 0.7:  # a top case
            parts.append(block((-0.52, -0.36), 0.18, (0.36, 0.5)))
        return join(parts)

    seat, rise = {"cruiser": (0.3, 0.0), "dirt": (0.44, 0.05), "sport": (0.37, 0.09)}.get(style, (0.37, 0.0))
    tank = shift(head, -0.15, 0, -0.02 if style == "dirt" else -0.05)
    parts += [
        ball((u(0.26, 0.32), u(0.13, 0.17), u(0.13, 0.16)), tank),
        rod(head, (rear + 0.12, 0, seat - 0.04), 0.025),
        block((-0.12, 0.12), u(0.13, 0.17), (0.11, 0.29)),
        disc(0, 0, 0.18, 0.07, 0.24),
    ]  # the engine
    parts += [rod((-0.3, 0, seat), (rear, 0, r)), *both(rod((-0.1, 0.06, 0.2), (rear, 0.06, r), 0.02))]
    x = tank[0] - 0.06
    parts.append(
        profile(
            [
                (x, seat - 0.04),
                (x, seat + 0.01),
                (-0.26, seat + 0.01),
                (-0.42, seat + rise + 0.04),
                (-0.44, seat + rise),
                (-0.26, seat - 0.05),
            ],
            u(0.11, 0.15),
        )
    )
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
