"""What is printed on the things: invented brands, products by kind of package, flavours, and colours."""

from dataclasses import dataclass

RGB = tuple[int, int, int]

BRANDS = (
    "Tarnwick", "Brindle & Moss", "Ollivar", "Skerryvane", "Morrowfold", "Quillby", "Fennimoor", "Hobblehill",
    "Luma Lune", "Peggotty Lane", "Nordrebolt", "Casa Bellumo", "Wrenlow", "Zuppino", "Kestelle", "Dunmarrow",
    "Pappaloni", "Twig & Tumble", "Ardenwhin", "Velouna", "Maison Crozet-Vale", "Hattersby", "Oskarine", "Bluffin",
)  # fmt: skip


@dataclass(frozen=True)
class Flavour:
    """A word on the label, the drawing that goes with it and its colour."""

    name: str
    drawing: str
    colour: RGB


@dataclass(frozen=True)
class Product:
    """What one kind of package may hold."""

    kind: str
    name: str
    amount: str
    flavours: tuple[Flavour, ...]


STRAWBERRY = Flavour("Strawberry", "strawberry", (214, 40, 57))
BLUEBERRY = Flavour("Blueberry", "berries", (66, 74, 158))
LEMON = Flavour("Lemon", "citrus", (240, 190, 20))
ORANGE = Flavour("Blood orange", "citrus", (226, 88, 34))
APPLE = Flavour("Apple", "apple", (110, 160, 44))
PEAR = Flavour("Pear", "pear", (168, 176, 52))
TOMATO = Flavour("Tomato", "tomato", (205, 48, 34))
MINT = Flavour("Mint", "leaf", (46, 140, 96))
COCOA = Flavour("Cocoa", "bean", (96, 56, 34))
HAZELNUT = Flavour("Hazelnut", "nut", (160, 104, 52))
HONEY = Flavour("Honey", "honey", (226, 152, 28))
CHILLI = Flavour("Chilli", "chilli", (198, 36, 28))
SEA_SALT = Flavour("Sea salt", "wave", (40, 110, 160))
OAT = Flavour("Golden oat", "wheat", (206, 160, 84))
OLIVE = Flavour("Green olive", "olive", (112, 124, 44))
PLUM = Flavour("Plum", "berries", (120, 44, 96))
DARK = Flavour("Dark roast", "bean", (70, 44, 36))
LIGHT = Flavour("Light roast", "bean", (184, 110, 58))

PRODUCTS = (
    Product("box", "Oat clusters", "450 g", (HONEY, COCOA, STRAWBERRY, HAZELNUT)),
    Product("box", "Crispbread", "320 g", (OAT, OLIVE, SEA_SALT, TOMATO)),
    Product("tea", "Infusion", "20 bags", (MINT, LEMON, PLUM, ORANGE)),
    Product("tea", "Truffles", "12 pieces", (COCOA, HAZELNUT, ORANGE, MINT)),
    Product("gable", "Oat drink", "1 litre", (OAT, COCOA, HAZELNUT, STRAWBERRY)),
    Product("gable", "Fruit juice", "1 litre", (ORANGE, APPLE, PEAR, BLUEBERRY)),
    Product("can", "Sparkling", "330 ml", (LEMON, ORANGE, PLUM, MINT)),
    Product("can", "Iced coffee", "250 ml", (DARK, LIGHT, COCOA, HAZELNUT)),
    Product("tin", "Soup", "400 g", (TOMATO, CHILLI, OLIVE)),
    Product("tin", "Beans", "400 g", (CHILLI, TOMATO, SEA_SALT)),
    Product("bottle", "Cordial", "500 ml", (BLUEBERRY, LEMON, PEAR, STRAWBERRY)),
    Product("bottle", "Dressing", "350 ml", (OLIVE, CHILLI, HONEY)),
    Product("jar", "Preserve", "340 g", (STRAWBERRY, BLUEBERRY, PLUM, ORANGE)),
    Product("jar", "Spread", "300 g", (HAZELNUT, COCOA, HONEY)),
    Product("pouch", "Coffee", "250 g", (DARK, LIGHT, HAZELNUT)),
    Product("pouch", "Crisps", "150 g", (SEA_SALT, CHILLI, TOMATO, OLIVE)),
    Product("canister", "Drinking cocoa", "300 g", (COCOA, MINT, ORANGE)),
    Product("canister", "Biscuits", "220 g", (OAT, LEMON, HONEY)),
    Product("tub", "Yoghurt", "450 g", (STRAWBERRY, BLUEBERRY, HONEY, PEAR)),
    Product("tub", "Sorbet", "500 ml", (LEMON, ORANGE, PLUM, MINT)),
)


@dataclass(frozen=True)
class Palette:
    """Colours of one line of products: the field, a second field, the paper of panels, and the ink."""

    field: RGB
    second: RGB
    paper: RGB
    ink: RGB


PALETTES = (
    Palette((18, 60, 92), (238, 180, 72), (250, 243, 228), (16, 36, 56)),
    Palette((232, 94, 66), (252, 210, 150), (255, 246, 234), (70, 22, 26)),
    Palette((34, 98, 76), (188, 208, 128), (246, 244, 226), (16, 50, 40)),
    Palette((246, 204, 62), (232, 110, 44), (255, 250, 232), (58, 38, 20)),
    Palette((112, 58, 118), (242, 170, 190), (252, 240, 244), (56, 22, 62)),
    Palette((240, 234, 220), (56, 120, 128), (255, 253, 246), (36, 44, 48)),
    Palette((38, 38, 46), (212, 166, 92), (244, 236, 222), (30, 28, 34)),
    Palette((120, 190, 204), (250, 250, 244), (252, 252, 248), (22, 70, 92)),
    Palette((196, 30, 52), (246, 238, 224), (255, 250, 240), (90, 10, 26)),
    Palette((226, 150, 160), (120, 36, 60), (255, 244, 240), (92, 26, 46)),
    Palette((142, 164, 104), (246, 226, 170), (250, 246, 230), (48, 60, 30)),
    Palette((34, 84, 184), (255, 214, 64), (244, 248, 255), (14, 34, 96)),
    Palette((150, 92, 58), (236, 208, 170), (250, 240, 226), (66, 36, 20)),
    Palette((250, 250, 246), (214, 60, 60), (255, 255, 252), (30, 30, 36)),
    Palette((20, 128, 138), (252, 126, 94), (240, 250, 246), (8, 56, 66)),
    Palette((246, 166, 50), (90, 48, 100), (255, 246, 226), (66, 30, 66)),
)
