"""A validation as JUnit XML, which every continuous-integration service shows."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from myo_host.validate import Validation
from myo_pipeline.bundle import write_text

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, result: Validation, bundle_name: str) -> None:
    """Write one test case a stage for law 1 (device equals twin), and one a bounded stage for law 2 (twin within bound).

    Parameters
    ----------
    path
        The file.
    result
        What the validation found.
    bundle_name
        Name of the patch, for the suite's name.
    """
    suite = _make_suite(bundle_name, result.board)
    properties = ElementTree.SubElement(suite, "properties")
    told = {"board": result.board, "bundle_hash": result.bundle_hash, "windows": result.n_windows}
    told |= {f"{who} {name}": value for who, v in result.accuracy.items() for name, value in v.items()}
    for name, value in told.items():
        ElementTree.SubElement(properties, "property", name=name, value=str(value))
    for stage in result.stages:
        case = _add_case(suite, f"{bundle_name}.{result.board}.device_equals_twin", stage.name)
        if stage.differing:
            message = f"{stage.differing} of {stage.words} words differ, first at {stage.first_difference}"
            failure = ElementTree.SubElement(
                case, "failure", message=_clean(message), type="DeviceDiffersFromTwin"
            )
            if stage.first is not None:
                rows = [f"at {n.at}: device {n.device}, twin {n.twin}" for n in stage.first.neighbours]
                facts = result.diagnosis if stage is result.first_stage else []
                failure.text = _clean("\n".join([*rows, *stage.first.patterns, *facts]))
        elif not stage.words:
            ElementTree.SubElement(
                case, "skipped", message="computed in another layer: the device has no such words"
            )
    for stage in result.stages:
        if stage.bound_share == stage.bound_share:  # not NaN
            case = _add_case(suite, f"{bundle_name}.{result.board}.twin_within_bound_of_float", stage.name)
            if stage.bound_share > 1:
                message = f"max error {stage.max_error:.3g} {stage.unit}, bound {stage.bound_text}"
                ElementTree.SubElement(case, "failure", message=message, type="TwinOutOfBound")
    suite.set("time", f"{result.seconds:.3f}")
    _write(path, suite)


def write_junit_error(path: Path, bundle_name: str, message: str) -> None:
    """Write that the validation could not run: one test case with an error."""
    suite = _make_suite(bundle_name, "board")
    case = _add_case(suite, f"{bundle_name}.validate", "runs")
    ElementTree.SubElement(case, "error", message=_clean(message), type="CouldNotValidate")
    _write(path, suite)


def _make_suite(bundle_name: str, board: str) -> ElementTree.Element:
    return ElementTree.Element("testsuite", name=_clean(f"myopatch validate {bundle_name} on {board}"))


def _add_case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=_clean(classname), name=_clean(name), time="0")


def _clean(text: str) -> str:
    """Return text without the characters that XML cannot hold."""
    return _NOT_XML.sub("?", text)


def _write(path: Path, suite: ElementTree.Element) -> None:
    """Write the suite with its counts."""
    suite.set("tests", str(len(suite.findall("testcase"))))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    write_text(
        path, '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"
    )
