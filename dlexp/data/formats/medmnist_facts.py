"""What the sets of MedMNIST v2 hold (Yang et al. 2023, doi:10.1038/s41597-022-01721-8), 28×28. No torch here.

MD5s and classes are those of `info.py` of its package, version 3.0.2.
"""

from typing import NamedTuple

from dlexp.errors import UserError, did_you_mean

SIDE = 28
ORGANS = [
    "bladder", "femur-left", "femur-right", "heart", "kidney-left", "kidney-right", "liver", "lung-left", "lung-right",
    "pancreas", "spleen",
]  # fmt: skip


class Facts(NamedTuple):
    """A set: its file's MD5, colours, and classes (or labels, of which a sample may have several)."""

    md5: str
    channels: int
    class_names: list[str]
    has_labels: bool = False


SETS = {
    "pathmnist": Facts(
        "a8b06965200029087d5bd730944a56c1",
        3,
        ["adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle", "normal colon mucosa",
         "cancer-associated stroma", "colorectal adenocarcinoma epithelium"],
    ),
    "chestmnist": Facts(
        "02c8a6516a18b556561a56cbdd36c4a8",
        1,
        ["atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax",
         "consolidation", "edema", "emphysema", "fibrosis", "pleural", "hernia"],
        has_labels=True,
    ),
    "dermamnist": Facts(
        "0744692d530f8e62ec473284d019b0c7",
        3,
        ["actinic keratoses and intraepithelial carcinoma", "basal cell carcinoma", "benign keratosis-like lesions",
         "dermatofibroma", "melanoma", "melanocytic nevi", "vascular lesions"],
    ),
    "octmnist": Facts(
        "c68d92d5b585d8d81f7112f81e2d0842",
        1,
        ["choroidal neovascularization", "diabetic macular edema", "drusen", "normal"],
    ),
    "pneumoniamnist": Facts("28209eda62fecd6e6a2d98b1501bb15f", 1, ["normal", "pneumonia"]),
    "retinamnist": Facts("bd4c0672f1bba3e3a89f0e4e876791e4", 3, ["0", "1", "2", "3", "4"]),
    "breastmnist": Facts("750601b1f35ba3300ea97c75c52ff8f6", 1, ["malignant", "normal, benign"]),
    "bloodmnist": Facts(
        "7053d0359d879ad8a5505303e11de1dc",
        3,
        ["basophil", "eosinophil", "erythroblast", "immature granulocytes", "lymphocyte", "monocyte", "neutrophil",
         "platelet"],
    ),
    "tissuemnist": Facts(
        "ebe78ee8b05294063de985d821c1c34b",
        1,
        ["Collecting Duct, Connecting Tubule", "Distal Convoluted Tubule", "Glomerular endothelial cells",
         "Interstitial endothelial cells", "Leukocytes", "Podocytes", "Proximal Tubule Segments",
         "Thick Ascending Limb"],
    ),
    "organamnist": Facts("68e3f8846a6bd62f0c9bf841c0d9eacc", 1, ORGANS),
    "organcmnist": Facts("b9ceb9546e10131b32923c5bbeaea2b1", 1, ORGANS),
    "organsmnist": Facts("9ab87b696fb54e2a387ebe992d6ed5f1", 1, ORGANS),
}  # fmt: skip


def facts_of(name: str) -> Facts:
    """Returns what is known of a set. Raises UserError where there is none of that name."""
    if name not in SETS:
        raise UserError(
            f"data.name={name} must be a set of MedMNIST: {', '.join(SETS)}.{did_you_mean(name, list(SETS))}"
        )
    return SETS[name]
