"""The Blood Cell Count and Detection set in Ultralytics' layout, as the other benchmarks take it with `--data`.

    git clone https://github.com/Shenggan/BCCD_Dataset
    python -m benchmarks.proxies.bccd BCCD_Dataset bccd

364 pictures in the set's own splits: train 205, val 87, test 72. Boxes without an area are left out.
"""

import argparse
import shutil
from pathlib import Path
from xml.etree import ElementTree

import yaml

NAMES = ("RBC", "WBC", "Platelets")
SPLITS = ("train", "val", "test")


def lines(annotation: Path) -> list[str]:
    """A picture's labels: class, centre and sides as shares of the picture.

    Args:
        annotation: A Pascal VOC file.
    """
    root = ElementTree.parse(annotation).getroot()
    wide, high = (float(root.findtext(f"size/{side}", "")) for side in ("width", "height"))
    found = []
    for one in root.iter("object"):
        left, right = (float(one.findtext(f"bndbox/{edge}", "")) / wide for edge in ("xmin", "xmax"))
        top, bottom = (float(one.findtext(f"bndbox/{edge}", "")) / high for edge in ("ymin", "ymax"))
        if right > left and bottom > top:
            box = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
            found.append(" ".join((str(NAMES.index(one.findtext("name", ""))), *(f"{value:.6f}" for value in box))))
    return found


def main() -> None:
    """Copy the pictures and write labels and data.yaml."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path, help="a clone of Shenggan/BCCD_Dataset")
    parser.add_argument("out", type=Path, help="folder to write")
    arguments = parser.parse_args()
    source = arguments.clone / "BCCD"
    for split in SPLITS:
        images, labels = (arguments.out / kind / split for kind in ("images", "labels"))
        for folder in (images, labels):
            folder.mkdir(parents=True, exist_ok=True)
        stems = (source / "ImageSets" / "Main" / f"{split}.txt").read_text(encoding="utf-8").split()
        for stem in stems:
            shutil.copy(source / "JPEGImages" / f"{stem}.jpg", images)
            text = "\n".join(lines(source / "Annotations" / f"{stem}.xml")) + "\n"
            (labels / f"{stem}.txt").write_text(text, encoding="utf-8")
        print(f"{split}: {len(stems)} pictures")
    content = {split: f"images/{split}" for split in SPLITS} | {"names": dict(enumerate(NAMES))}
    (arguments.out / "data.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
