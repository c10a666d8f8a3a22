"""Product pictures, drawn: a camera, a lens, a bag or a book on a light table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO
from math import cos, pi

from PIL import Image, ImageDraw, ImageFilter, ImageFont

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
Drawer = Callable[[ImageDraw.ImageDraw], None]

#: Drawn at twice the size and scaled down, which smooths every edge.
SIDE = 1600
FINAL = 800
PAPER = ((250, 249, 246), (226, 223, 216))
INK: Colour = (34, 35, 38)
STEEL = ((232, 233, 236), (150, 153, 160), (222, 224, 228))


@cache
def picture(kind: str, *, colour: Colour, label: str = "", size: float = 1.0) -> bytes:
    """A JPEG of one product. `kind` names a function below; `size` makes a lens or a bag longer or shorter."""
    canvas = gradient((SIDE, SIDE), PAPER)
    {"camera": camera, "lens": lens, "bag": bag, "book": book}[kind](canvas, colour, label, size)
    stream = BytesIO()
    canvas.resize((FINAL, FINAL), Image.Resampling.LANCZOS).save(stream, "JPEG", quality=90)
    return stream.getvalue()


# -- paint -----------------------------------------------------------------------------------------------------------


def gradient(size: tuple[int, int], stops: Sequence[Colour], *, across: bool = False) -> Image.Image:
    """Colours blended from top to bottom, or from left to right."""
    strip = Image.new("RGB", (1, len(stops)))
    strip.putdata(list(stops))
    filled = strip.resize((1, 512), Image.Resampling.BILINEAR, box=(0, 0.5, 1, len(stops) - 0.5))
    return (filled.rotate(90, expand=True) if across else filled).resize(size)


def fill(canvas: Image.Image, draw: Drawer, stops: Sequence[Colour], box: Box, *, across: bool = False) -> None:
    """Paint whatever `draw` marks white with a gradient that spans `box`."""
    mask = Image.new("L", canvas.size, 0)
    draw(ImageDraw.Draw(mask))
    left, top, right, bottom = (round(value) for value in box)
    layer = Image.new("RGB", canvas.size, stops[-1])
    layer.paste(gradient((max(1, right - left), max(1, bottom - top)), stops, across=across), (left, top))
    canvas.paste(layer, (0, 0), mask)


def rounded(canvas: Image.Image, box: Box, radius: float, stops: Sequence[Colour], *, across: bool = False) -> None:
    fill(canvas, lambda pen: pen.rounded_rectangle(box, radius, fill=255), stops, box, across=across)


def ellipse(canvas: Image.Image, box: Box, stops: Sequence[Colour], *, across: bool = False) -> None:
    fill(canvas, lambda pen: pen.ellipse(box, fill=255), stops, box, across=across)


def shadow(canvas: Image.Image, box: Box, *, strength: int = 110) -> None:
    """A soft shadow on the table."""
    mask = Image.new("L", canvas.size, 0)
    ImageDraw.Draw(mask).ellipse(box, fill=strength)
    canvas.paste(Image.new("RGB", canvas.size, (60, 56, 50)), (0, 0), mask.filter(ImageFilter.GaussianBlur(34)))


def shade(colour: Colour, factor: float) -> Colour:
    """Darker below 1, lighter above."""
    if factor <= 1:
        return tuple(round(part * factor) for part in colour)  # type: ignore[return-value]
    return tuple(round(part + (255 - part) * min(1.0, factor - 1)) for part in colour)  # type: ignore[return-value]


def barrel(colour: Colour) -> tuple[Colour, ...]:
    """How light falls on a cylinder."""
    return (
        shade(colour, 0.45),
        shade(colour, 0.95),
        shade(colour, 1.32),
        shade(colour, 0.9),
        shade(colour, 0.5),
        shade(colour, 0.3),
    )


def write(canvas: Image.Image, text: str, x: float, y: float, size: int, colour: Colour) -> None:
    ImageDraw.Draw(canvas).text((x, y), text, fill=colour, font=ImageFont.load_default(size), anchor="mm")


# -- things ----------------------------------------------------------------------------------------------------------


def glass(canvas: Image.Image, x: float, y: float, radius: float) -> None:
    """The front of a lens, looking in."""
    for share, stops in (
        (1.00, ((70, 72, 78), (18, 18, 20))),
        (0.90, ((20, 20, 23), (48, 49, 54))),
        (0.78, ((12, 12, 14), (30, 31, 36))),
        (0.62, ((26, 34, 58), (8, 9, 16))),
        (0.44, ((58, 64, 112), (14, 14, 26))),
        (0.24, ((20, 22, 40), (6, 6, 10))),
    ):
        reach = radius * share
        ellipse(canvas, (x - reach, y - reach, x + reach, y + reach), stops)
    spot = radius * 0.17
    left, top = x - radius * 0.26, y - radius * 0.30
    ellipse(canvas, (left - spot, top - spot * 0.8, left + spot, top + spot * 0.8), ((210, 220, 245), (120, 132, 180)))
    right, low = x + radius * 0.24, y + radius * 0.28
    ellipse(
        canvas, (right - spot / 2, low - spot / 2, right + spot / 2, low + spot / 2), ((104, 84, 130), (60, 52, 96))
    )


def camera(canvas: Image.Image, colour: Colour, label: str, size: float) -> None:
    """A body seen from the front; `colour` is its leather."""
    half, top, bottom = 470 * size, 560, 1140
    left, right = 800 - half, 800 + half
    shadow(canvas, (left - 20, bottom - 60, right + 20, bottom + 60))

    # Dials and the release stand behind the top plate.
    for x, width in ((right - 130, 118), (right - 290, 86), (left + 130, 104)):
        rounded(canvas, (x - width / 2, top - 74, x + width / 2, top + 20), 12, STEEL, across=True)
    rounded(canvas, (right - 320, top - 92, right - 260, top - 60), 12, ((200, 60, 50), (140, 36, 30)))

    hump = ((800 - 190, top - 10), (800 - 120, top - 140), (800 + 120, top - 140), (800 + 190, top - 10))
    fill(canvas, lambda pen: pen.polygon(hump, fill=255), (STEEL[0], STEEL[1]), (610, top - 140, 990, top))
    rounded(canvas, (left, top - 30, right, bottom), 70, (STEEL[0], (196, 198, 203), (128, 130, 136)))
    rounded(canvas, (left, top + 110, right, bottom - 70), 26, (shade(colour, 1.12), colour, shade(colour, 0.7)))
    write(canvas, label, 800, top - 72, 62, INK)

    glass(canvas, 800, 850, 300)
    rounded(canvas, (left + 60, top + 10, left + 190, top + 84), 14, ((30, 32, 38), (64, 70, 84)))
    ellipse(canvas, (right - 150, top + 20, right - 90, top + 80), ((250, 210, 160), (190, 120, 60)))


def lens(canvas: Image.Image, colour: Colour, label: str, size: float) -> None:
    """Standing on its mount, seen from the side; `colour` is the ring around the front."""
    body: Colour = (58, 59, 63)
    half, bottom = 300.0, 1340.0
    top = bottom - 960 * size
    shadow(canvas, (800 - half - 60, bottom - 40, 800 + half + 60, bottom + 70))

    rounded(
        canvas,
        (800 - half * 0.86, bottom - 70, 800 + half * 0.86, bottom + 26),
        18,
        barrel((190, 192, 198)),
        across=True,
    )
    rounded(canvas, (800 - half * 0.94, bottom - 260, 800 + half * 0.94, bottom - 54), 22, barrel(body), across=True)
    rounded(canvas, (800 - half, top + 60, 800 + half, bottom - 230), 26, barrel(body), across=True)

    ribs_top, ribs_bottom = top + 190, bottom - 330
    rounded(canvas, (800 - half - 12, ribs_top, 800 + half + 12, ribs_bottom), 10, barrel((40, 41, 44)), across=True)
    pen = ImageDraw.Draw(canvas)
    for step in range(1, 26):
        # Ribs crowd towards the edges, as they do on a round barrel.
        x = 800 - (half + 8) * cos(pi * step / 26)
        pen.line((x, ribs_top + 12, x, ribs_bottom - 12), fill=(22, 22, 24), width=7)

    rounded(canvas, (800 - half - 4, top + 110, 800 + half + 4, top + 132), 6, barrel(colour), across=True)
    rounded(canvas, (800 - half - 6, top, 800 + half + 6, top + 88), 24, barrel((46, 47, 50)), across=True)
    ellipse(canvas, (800 - half - 6, top - 44, 800 + half + 6, top + 52), ((86, 88, 94), (30, 30, 33)))
    ellipse(
        canvas, (800 - half * 0.82, top - 26, 800 + half * 0.82, top + 40), ((96, 110, 170), (20, 22, 40)), across=True
    )
    write(canvas, label, 800, bottom - 282, 60, (238, 238, 240))
    write(canvas, "LUMEN", 800, bottom - 150, 40, (168, 170, 176))


def bag(canvas: Image.Image, colour: Colour, label: str, size: float) -> None:
    """A bag with a flap and two buckles; a `size` above 1 is a backpack, below 1 a sling."""
    half, bottom = 380.0, 1290.0
    top = bottom - 780 * size
    leather: Colour = (132, 86, 50)
    shadow(canvas, (800 - half - 40, bottom - 50, 800 + half + 40, bottom + 60))

    pen = ImageDraw.Draw(canvas)
    reach = 210 if size > 0.8 else 330
    pen.arc((800 - reach, top - 200, 800 + reach, top + 240), 180, 360, fill=shade(leather, 0.8), width=40)
    cloth = (shade(colour, 1.18), colour, shade(colour, 0.66))
    rounded(canvas, (800 - half, top, 800 + half, bottom), 120, cloth)
    rounded(
        canvas, (800 - half + 50, bottom - 360 * size, 800 + half - 50, bottom - 50), 56, (colour, shade(colour, 0.58))
    )
    rounded(
        canvas,
        (800 - half - 14, top - 14, 800 + half + 14, top + 400 * size),
        110,
        (shade(colour, 1.26), shade(colour, 0.84)),
    )

    for x in (800 - 190, 800 + 190):
        rounded(
            canvas, (x - 34, top + 120 * size, x + 34, top + 520 * size), 16, (shade(leather, 1.2), shade(leather, 0.7))
        )
        rounded(canvas, (x - 48, top + 380 * size, x + 48, top + 380 * size + 84), 14, STEEL, across=True)
        rounded(
            canvas,
            (x - 24, top + 380 * size + 22, x + 24, top + 380 * size + 62),
            8,
            (shade(leather, 0.9), shade(leather, 0.6)),
        )
    rounded(canvas, (800 - 84, top + 220 * size, 800 + 84, top + 220 * size + 58), 10, (shade(leather, 1.3), leather))
    write(canvas, label or "LUMEN", 800, top + 220 * size + 30, 34, (250, 240, 224))


def book(canvas: Image.Image, colour: Colour, label: str, size: float) -> None:
    """A paperback from the front; the lines of `label` are its title."""
    left, top, right, bottom = 500, 330, 1130, 1270
    shadow(canvas, (left - 50, bottom - 40, right + 70, bottom + 60))
    rounded(canvas, (left + 22, top + 18, right + 26, bottom + 16), 8, ((252, 250, 244), (208, 204, 194)))
    rounded(canvas, (left, top, right, bottom), 10, (shade(colour, 1.16), colour, shade(colour, 0.72)))
    rounded(canvas, (left, top, left + 46, bottom), 10, (shade(colour, 0.8), shade(colour, 0.6)), across=True)

    middle, centre = (left + 46 + right) / 2, 1000
    pen = ImageDraw.Draw(canvas)
    for turn in range(9):
        reach = 170 - turn * 18
        pen.ellipse(
            (middle - reach, centre - reach, middle + reach, centre + reach),
            outline=shade(colour, 1.2 + turn * 0.07),
            width=7,
        )
    for line, text in enumerate(label.split("\n")):
        write(canvas, text, middle, top + 150 + line * 96, 78, (253, 250, 242))
    write(canvas, "LUMEN GUIDES", middle, bottom - 70, 36, shade(colour, 1.6))
