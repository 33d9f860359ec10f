"""The picture in the README."""

from xml.etree import ElementTree

from benchmarks.chart import picture

SVG = "{http://www.w3.org/2000/svg}"
BARS = {"one ticket & its parts": [1500.0, 300.0], "close": [90.0, 45.0]}


def drawn() -> ElementTree.Element:
    return ElementTree.fromstring(picture(("this", "that"), BARS, "a day, a database"))


def test_every_bar_is_as_long_as_its_number_says() -> None:
    bars = [
        float(bar.attrib["width"])
        for bar in drawn().iter(f"{SVG}rect")
        if bar.get("class", "").startswith("bar") and bar.get("width") != "12"
    ]

    assert [round(bars[0] / bar, 1) for bar in bars] == [1.0, 5.0, 16.7, 33.3]


def test_it_says_what_was_measured_when_and_how_many_times_as_fast() -> None:
    picture = drawn()
    said = [text.text for text in picture.iter(f"{SVG}text")]

    assert "a day, a database" in said
    assert {"one ticket & its parts", "1,500  (5.0 x)", "300", "90  (2.0 x)", "45"} <= set(said)
    assert "close: this 90, that 45" in picture.attrib["aria-label"]
