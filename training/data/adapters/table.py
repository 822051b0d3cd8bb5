"""The known data sets. Numbers are what their makers, or the documents of the old stack, state."""

from functools import partial

from training.data.adapters.annotated import BoxCars, CartoonFaces, CocoLabels, Manga109, TrafficSigns, VocFolders
from training.data.adapters.base import KnownSet, Layout, open_known
from training.data.adapters.common import (
    ClassFolders,
    Either,
    Identities,
    Lists,
    NamePattern,
    PathLists,
    Tables,
)
from training.data.adapters.official import (
    Birds,
    Cars,
    Clothes,
    Flowers,
    Landmarks,
    SeasonedPersons,
    TinyPictures,
    WebCars,
    WildVehicles,
)
from training.data.readers.base import DATASETS
from training.data.readers.lists import EBAY, TAB, Dialect

SEE = "see its page"
REQUEST = "on request, for research"
GENERAL, V2, APPLICATION, MODEL, BENCHMARK = ("V1", "V2"), ("V2",), ("application",), ("model",), ("benchmark",)
KAGGLE = "https://www.kaggle.com/datasets/"
IMAGE_NAME = {"path_column": "name", "label_column": "class"}
SCENARIO = ClassFolders({"gallery": "Gallery", "query": "Query"})
"""How the old stack distributed its application sets."""


def folders(**parts: str) -> ClassFolders:
    """A folder per part, one per class in it."""
    return ClassFolders(parts)


ANY_FOLDER = ClassFolders({"all": "."}, depth=0)
THREE = folders(train="train", valid="valid", test="test")

GENERAL_SETS = (
    KnownSet(
        "Aliproduct", Either(folders(train="train"), Lists({"val": ("val_list.txt", ".")})), 2498771, 50030,
        "https://retailvisionworkshop.github.io/recognition_challenge_2020/", SEE, GENERAL,
    ),
    KnownSet(
        "GLDv2", Landmarks({"train": "train_clean.csv", "train_whole": "train.csv"}), 1580470, 81313,
        "https://github.com/cvdfoundation/google-landmark", "annotations CC BY 4.0; each picture its own", GENERAL,
        "part train is the clean one, of which the numbers are",
    ),
    KnownSet(
        "VeRI-Wild",
        WildVehicles(
            {
                "train": "train_list.txt",
                **{f"{p}_{n}": f"test_{n}{s}.txt" for n in (3000, 5000, 10000) for p, s in (("query", "_query"),
                                                                                           ("gallery", ""))},
            }
        ),
        277797, 30671, "https://github.com/PKU-IMRE/VERI-Wild", REQUEST, GENERAL,
    ),
    KnownSet(
        "LogoDet-3K", VocFolders("."), 158652, 3000, "https://github.com/Wangjing1551/LogoDet-3K-Dataset", SEE, GENERAL,
        "155427 pictures were trained on",
    ),
    KnownSet(
        "SOP",
        Lists({"train": ("Ebay_train.txt", "."), "test": ("Ebay_test.txt", ".")}, EBAY,
              "image_id class_id super_class_id path"),
        120053, 22634, "https://cvgl.stanford.edu/projects/lifted_struct/", SEE, GENERAL,
        "59551 pictures of 11318 classes to train on",
    ),
    KnownSet(
        "Inshop", Clothes({"train": "train", "query": "query", "gallery": "gallery"}), 52712, 7982,
        "http://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html", REQUEST, GENERAL,
        "25882 pictures of 3997 items to train on",
    ),
    KnownSet(
        "iCartoonFace", CartoonFaces(), 389678, 5013, "https://github.com/luxiangju-PersonAI/iCartoonFace", SEE,
        ("V1", "model"), "the old stack doubled the boxes and had 2500 queries, 20000 in the gallery",
    ),
    KnownSet("bird400", THREE, 58388, 400, f"{KAGGLE}gpiosenka/100-bird-species", SEE, ("V2", "application")),
    KnownSet(
        "104flowers",
        Either(
            folders(train="jpeg-224x224/train", val="jpeg-224x224/val", test="jpeg-224x224/test"), SCENARIO
        ),
        12753, 104, f"{KAGGLE}msheriey/104-flowers-garden-of-eden", SEE, ("V2", "application"),
        "the documents link to Flowers102 for it",
    ),
    KnownSet(
        "Cars", ANY_FOLDER, 58315, 112, "https://ai.stanford.edu/~jkrause/cars/car_dataset.html", SEE, V2,
        "the link is that of Cars196, whose numbers are others",
    ),
    KnownSet(
        "FashionProductImages",
        Either(
            Tables({"all": ("styles.csv", "images")},
                   {"path_column": "id", "label_column": "subCategory", "suffix": ".jpg"}, some_missing=True),
            SCENARIO,
        ),
        44441, 47, f"{KAGGLE}paramaggarwal/fashion-product-images-dataset", SEE, ("V2", "application"),
        "labelled by subCategory",
    ),
    KnownSet("flowerrecognition", ANY_FOLDER, 24123, 59, f"{KAGGLE}aymenktari/flowerrecognition", SEE, V2),
    KnownSet(
        "food-101",
        PathLists({"train": ("meta/train.txt", "images"), "test": ("meta/test.txt", "images")}, ".jpg"),
        101000, 101, "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/", SEE, V2,
    ),
    KnownSet("fruits-262", ANY_FOLDER, 225639, 262, f"{KAGGLE}aelchimminut/fruits262", SEE, V2),
    KnownSet(
        "iNaturalist", CocoLabels({"train": ("train2019.json", "."), "val": ("val2019.json", ".")}), 265213, 1010,
        "https://github.com/visipedia/inat_comp", "each picture its own, mostly non-commercial", V2,
        "the documents link to 2017; the numbers are those of 2019",
    ),
    KnownSet(
        "indoor-scenes",
        Either(folders(all="Images"),
               PathLists({"train": ("TrainImages.txt", "Images"), "test": ("TestImages.txt", "Images")})),
        15588, 67, f"{KAGGLE}itsahmad/indoor-scenes-cvpr-2019", SEE, V2,
    ),
    KnownSet(
        "Products-10k", Tables({"train": ("train.csv", "train"), "test": ("test_kaggletest.csv", "test")}, IMAGE_NAME),
        141931, 9691, "https://products-10k.github.io/", SEE, V2,
    ),
    KnownSet(
        "CompCars-web",
        WebCars({part: f"data/train_test_split/classification/{part}.txt" for part in ("train", "test")}),
        30955, 431, "http://mmlab.ie.cuhk.edu.hk/datasets/comp_cars/", REQUEST, ("V2", "model"),
        "16016 pictures to train on",
    ),
)  # fmt: skip


def application(
    name: str, kaggle: str, original: Layout = ANY_FOLDER, classes: int | None = None, note: str = ""
) -> KnownSet:
    """A set of one application, as its makers have it or as the old stack distributed it."""
    return KnownSet(name, Either(original, SCENARIO), None, classes, f"{KAGGLE}{kaggle}", SEE, APPLICATION, note)


APPLICATION_SETS = (
    application("Vehicles", "rishabkoul1/vechicle-dataset"),
    application("AnimalImageDataset", "iamsouravbanerjee/animal-image-dataset-90-different-animals", classes=90),
    application("Balls", "gpiosenka/balls-image-classification", THREE),
    application("DogBreeds", "gpiosenka/70-dog-breedsimage-data-set", THREE, 70, "the documents say 69 and 70"),
    application("Gemstones", "lsind18/gemstones-images", folders(train="train", test="test")),
    application("SportsClassification", "gpiosenka/sports-classification", THREE, 100),
    application("MusicalInstruments", "gpiosenka/musical-instruments-image-classification", THREE, 30),
    application("Pokemon", "lantian773030/pokemonclassification"),
    application("Boats", "imsparsh/dockship-boat-type-classification"),
    application("Shoes", "noobyogi0100/shoe-dataset"),
    application("ParisBuildings", "skylord/oxbuildings", NamePattern({"all": "."}, r"(paris_[a-z]+)_\d+")),
    application("Butterflies", "gpiosenka/butterfly-images40-species", THREE, 75),
    application("WildEdiblePlants", "ryanpartridge01/wild-edible-plants"),
    application("Weather", "jehanbhathena/weather-dataset"),
    application("TreeNuts", "gpiosenka/tree-nuts-image-classification", THREE),
    application("Garbage", "mostafaabla/garbage-classification", classes=12),
    application("AerialScenes", "jiayuanchengala/aid-scene-classification-datasets"),
    application("Vegetables", "zhaoyj688/vegfru"),
    KnownSet(
        "DrinkDemo", Lists({"gallery": ("gallery/drink_label.txt", "gallery")}, TAB, "path<TAB>label"), None, None,
        "the documents of the old stack (drink_dataset_v2.0)", SEE, ("application",), "the gallery of its demo",
    ),
)  # fmt: skip

MODEL_SETS = (
    KnownSet(
        "CUB-200-2011", Birds(), 11788, 200, "https://www.vision.caltech.edu/datasets/cub_200_2011/",
        "pictures by their makers; for research", BENCHMARK, "5994 to train, 5794 to test; zero-shot 1-100 and 101-200",
    ),
    KnownSet(
        "Cars196", Cars(), 16185, 196, "https://ai.stanford.edu/~jkrause/cars/car_dataset.html", "for research",
        BENCHMARK, "8144 to train, 8041 to test; zero-shot 1-98 and 99-196",
    ),
    KnownSet(
        "Flowers102", Flowers({"train": "trnid", "valid": "valid", "test": "tstid"}), 8189, 102,
        "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/", SEE, V2, "what the documents link to for 104flowers",
    ),
    KnownSet(
        "Market-1501",
        Identities({"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}), 32668, 1501,
        "https://zheng-lab.cecs.anu.edu.au/Project/project_reid.html", SEE, BENCHMARK,
    ),
    KnownSet(
        "DukeMTMC-reID",
        Identities({"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}), 36411, 1404,
        "withdrawn by its makers in 2019", "withdrawn", BENCHMARK,
    ),
    KnownSet(
        "MSMT17_V1",
        SeasonedPersons(
            {
                "train": ("list_train.txt", "train"), "val": ("list_val.txt", "train"),
                "query": ("list_query.txt", "test"), "gallery": ("list_gallery.txt", "test"),
            }
        ),
        126441, 4101, "https://www.pkuvmc.com/dataset.html", REQUEST, BENCHMARK,
    ),
    KnownSet(
        "Logo-2K+",
        Either(
            ClassFolders({"all": "Logo-2K+"}, depth=2),
            PathLists({"train": ("List/train_images_root.txt", "Logo-2K+"),
                       "test": ("List/test_images_root.txt", "Logo-2K+")}, levels=2),
        ),
        167140, 2341, "https://github.com/msn199959/Logo-2k-plus-Dataset", SEE, MODEL,
    ),
    KnownSet(
        "BoxCars116k", BoxCars({"train": "train", "validation": "validation", "test": "test"}), 116286, None,
        "https://github.com/JakubSochor/BoxCars", SEE, MODEL,
        "the documents name the older BoxCars of 63750 pictures; read from the JSON files, never from the pickles",
    ),
    KnownSet(
        "PKU-VD1", Lists({"train": ("train_test/trainlist.txt", "image"), "test": ("train_test/testlist.txt", "image")},
                         Dialect(group=None, columns=4, suffix=".jpg"), "name vehicle [model colour]"),
        846358, 141756, "https://pkuml.org/resources/pku-vds.html", REQUEST, MODEL,
        "numbers of pictures and vehicles; root is the folder VD1",
    ),
    KnownSet(
        "PKU-VD2", Lists({"train": ("train_test/trainlist.txt", "image"), "test": ("train_test/testlist.txt", "image")},
                         Dialect(group=None, columns=4, suffix=".jpg"), "name vehicle [model colour]"),
        807260, 79763, "https://pkuml.org/resources/pku-vds.html", REQUEST, MODEL,
        "numbers of pictures and vehicles; root is the folder VD2",
    ),
    KnownSet(
        "Manga109", Manga109(), None, None, "http://www.manga109.org/", REQUEST, MODEL, "faces, labelled book/character"
    ),
    KnownSet(
        "IIIT-CFW", NamePattern({"all": "cartoonFaces"}, r"([A-Za-z_.\-]+?)_?\d+\."), 8928, 100,
        "https://cvit.iiit.ac.in/research/projects/cvit-projects/cartoonfaces", SEE, MODEL,
    ),
    KnownSet(
        "Tsinghua-Tencent-100K", TrafficSigns({"train": "train", "test": "test", "other": "other"}), 100000, None,
        "https://cg.cs.tsinghua.edu.cn/traffic-sign/", "CC BY-NC", MODEL,
    ),
    KnownSet(
        "CIFAR-10",
        TinyPictures({"train": [f"data_batch_{n}.bin" for n in range(1, 6)], "test": ["test_batch.bin"]}), 60000, 10,
        "https://www.cs.toronto.edu/~kriz/cifar.html", SEE, MODEL, "the binary version; the Python version is a pickle",
    ),
)  # fmt: skip

GPR1200 = "https://github.com/Visual-Computing/GPR1200"
GPR1200_SETS = (
    KnownSet("GPR1200", NamePattern({"all": "images"}, r"(\d+)_"), 12000, 1200, GPR1200, SEE, BENCHMARK),
    *(
        KnownSet(
            f"GPR1200-{name}", NamePattern({"all": "images"}, r"(\d+)_", range(200 * place, 200 * (place + 1))),
            2000, 200, GPR1200, SEE, BENCHMARK,
        )
        for place, name in enumerate(("gldv2", "iNat", "sketch", "instre", "sop", "imdb_face"))
    ),
)  # fmt: skip

KNOWN_SETS: tuple[KnownSet, ...] = (*GENERAL_SETS, *APPLICATION_SETS, *MODEL_SETS, *GPR1200_SETS)

for _known in KNOWN_SETS:
    DATASETS.register(_known.name)(partial(open_known, _known))
