"""The graph and its messages once more, place by place and edge by edge: no PyTorch Geometric, no layout."""

from itertools import product

import torch

TILES = {1: [[0]], 2: [[0, 1], [1, 0]], 4: [[0, 2], [3, 1]]}


def colours_of(shapes, colours):
    """The colour of each place (level, row, column)."""
    tile = TILES[colours]
    return {
        (level, y, x): tile[y % len(tile)][x % len(tile)]
        for level, (height, width) in shapes.items()
        for y, x in product(range(height), range(width))
    }


def edges_of(shapes, colours):
    """{(place it starts in, place it ends in): ("space" or "level", dy, dx)}, for levels no larger than finer ones."""
    colour, levels, found = colours_of(shapes, colours), list(shapes), {}
    for level, y, x in colour:
        for dy, dx in product((-1, 0, 1), repeat=2):
            other = (level, y + dy, x + dx)
            if other in colour and colour[other] < colour[level, y, x]:
                found[other, (level, y, x)] = ("space", float(dy), float(dx))
    for fine, coarse in zip(levels, levels[1:], strict=False):
        (height, width), (coarse_height, coarse_width) = shapes[fine], shapes[coarse]
        for y, x in product(range(height), range(width)):
            own_y, own_x = (y + 0.5) * coarse_height / height - 0.5, (x + 0.5) * coarse_width / width - 0.5
            for i, j in product(range(coarse_height), range(coarse_width)):
                # The 3 × 3 cells around the one that the centre lies in.
                if abs(i - int(own_y + 0.5)) <= 1 and abs(j - int(own_x + 0.5)) <= 1:
                    found[(coarse, i, j), (fine, y, x)] = ("level", i - own_y, j - own_x)
    return found


def contexts_of(net, maps, colours):
    """{place: c_i of each image, (batch, width)} from the weights of a `GraphContexts` in float64."""
    shapes = {level: tuple(f.shape[2:]) for level, f in maps.items()}
    colour, coarse_first = colours_of(shapes, colours), list(shapes)[::-1]
    incoming = {place: [] for place in colour}
    for (source, target), attributes in edges_of(shapes, colours).items():
        incoming[target].append((source, *attributes))
    value = {(level, y, x): net.values[level](maps[level][:, :, y, x]) for level, y, x in colour}
    batch, state = len(next(iter(maps.values()))), {}
    for level, y, x in colour:
        v, u = ((2 * at + 1) / size - 1 for at, size in zip((y, x), shapes[level], strict=True))
        place = net.place @ torch.tensor([v, u, v * v, u * u, v * u], dtype=torch.float64)
        first = net.level.weight[coarse_first.index(level)] + net.colour.weight[colour[level, y, x]] + place
        state[level, y, x] = first.expand(batch, -1)
    for layer in net.layers:
        before, state = state, {}
        for place in colour:
            messages = []
            for source, kind, dy, dx in incoming[place]:
                relation = 2 * coarse_first.index(place[0]) + ["space", "level"].index(kind)
                where = torch.tensor([dy, dx, dy * dy, dx * dx, dy * dx], dtype=torch.float64)
                gate = layer.gate(torch.cat([layer.relation.weight[relation], where]))
                messages.append(gate * layer.send(torch.cat([value[source], before[source]], -1)))
            heard = sum(messages) / len(messages) if messages else torch.zeros_like(before[place])
            state[place] = layer.block(before[place] + layer.join(heard))
    return state
