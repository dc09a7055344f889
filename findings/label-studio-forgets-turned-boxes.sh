#!/usr/bin/env bash
# Label Studio's YOLO and VOC exports put a box that somebody has turned where the object is not.
#
# With: label-studio-sdk 2.1.2, whose converter makes the exports (PyPI).
#
# Guess: every export that has no place for an angle takes the upright box around the turned one, or leaves it out with
# a warning.
#
# Behaviour: COCO's does (40 to 50 across, 50 to 70 down, for a box of 20 by 10 percent at 50, 50 that is turned by 90
# degrees), and the variant of YOLO with corners has the same place. Plain YOLO and VOC write the box as it was before
# it was turned, without a word: 50 to 70 across and 50 to 60 down, which touches the labelled object at no point.
#
# Seen, in percent of the picture (left, top, right, bottom):
#   coco 40 50 50 70
#   yolo with corners 40 50 50 70
#   yolo 50 50 70 60
#   voc 50 50 70 60
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install label-studio-sdk==2.1.2
cat >"$work/show.py" <<'PYTHON'
import json
import re
import sys
from pathlib import Path

from label_studio_sdk.converter import Converter

WINDOW = """<View><Image name="image" value="$image"/>
<RectangleLabels name="label" toName="image"><Label value="leaf"/></RectangleLabels></View>"""
BOX = {"x": 50, "y": 50, "width": 20, "height": 10, "rotation": 90, "rectanglelabels": ["leaf"]}
RESULT = {
    "id": "one",
    "type": "rectanglelabels",
    "from_name": "label",
    "to_name": "image",
    "original_width": 100,
    "original_height": 100,
    "image_rotation": 0,
    "value": BOX,
}
ANNOTATION = {
    "id": 1,
    "completed_by": 1,
    "was_cancelled": False,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "result": [RESULT],
}
folder = Path(sys.argv[1])
(folder / "tasks.json").write_text(
    json.dumps([{"id": 1, "data": {"image": "http://pictures.example/1.png"}, "annotations": [ANNOTATION]}])
)


def export(name, **options):
    """The folder into which the converter has written one format."""
    out = folder / name
    write = getattr(Converter(WINDOW, str(folder), download_resources=False), f"convert_to_{name.split('-')[0]}")
    write(str(folder / "tasks.json"), str(out), output_image_dir=str(out / "images"), is_dir=False, **options)
    return out


def say(name, left, top, right, bottom):
    print(name, *(round(value) for value in (left, top, right, bottom)))


def yolo(out):
    return [100 * float(word) for word in next(out.glob("labels/*.txt")).read_text().split()[1:]]


left, top, width, height = json.loads((export("coco") / "result.json").read_text())["annotations"][0]["bbox"]
say("coco", left, top, left + width, top + height)
corners = yolo(export("yolo-corners", is_obb=True))
say("yolo with corners", min(corners[::2]), min(corners[1::2]), max(corners[::2]), max(corners[1::2]))
across, down, width, height = yolo(export("yolo"))
say("yolo", across - width / 2, down - height / 2, across + width / 2, down + height / 2)
text = next((export("voc") / "Annotations").glob("*.xml")).read_text()
say("voc", *(float(re.search(f"<{side}>(.*)</{side}>", text)[1]) for side in ("xmin", "ymin", "xmax", "ymax")))
PYTHON
"$work/venv/bin/python" "$work/show.py" "$work" >"$work/seen" 2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }
diff - "$work/seen" <<'WANTED'
coco 40 50 50 70
yolo with corners 40 50 50 70
yolo 50 50 70 60
voc 50 50 70 60
WANTED
echo "as described"
