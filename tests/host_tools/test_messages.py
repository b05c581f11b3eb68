"""The message description: one source for both sides."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from myo_host import messages as m

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "firmware/core/link/myo_messages.h"


def test_firmware_header_is_up_to_date() -> None:
    assert HEADER.read_text() == m.render_c_header(), "run `make messages`"


@pytest.mark.parametrize("message", m.MESSAGES, ids=lambda message: message.name)
def test_fixed_fields_round_trip(message: m.Message) -> None:
    values = {f.name: bytes(range(f.count)) if f.count > 1 else 1 for f in message.fields}
    tail = b"\x01\x02" if message.tail else b""
    assert message.unpack(message.pack(tail, **values)) == (values, tail)


@pytest.mark.parametrize("message", m.MESSAGES, ids=lambda message: message.name)
def test_wrong_length_is_refused(message: m.Message) -> None:
    with pytest.raises(ValueError, match=message.name):
        message.unpack(b"\x00" * (message.struct.size - 1) if message.struct.size else b"\x00")


def test_any_change_of_the_description_changes_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = m.describe_schema()
    changed = m.Message(m.STOP.name, m.STOP.type, m.STOP.doc, (m.Field("why", "B", ""),))
    monkeypatch.setattr(m, "MESSAGES", tuple(changed if x is m.STOP else x for x in m.MESSAGES))
    assert m.describe_schema() != before


def test_c_layout_is_the_python_layout(tmp_path: Path) -> None:
    """Compile offsetof of every field with the host's compiler and compare with struct's offsets."""
    lines = ["#include <stddef.h>", "#include <stdio.h>", f'#include "{HEADER}"', "int main(void) {"]
    expected = []
    for message in m.MESSAGES:
        offset = 0
        for field in message.fields:
            kind = f"myo_{message.name.lower()}_message_t"
            lines.append(f'printf("%zu\\n", offsetof({kind}, {field.name}));')
            expected.append(offset)
            offset += m.Message("", 0, "", (field,)).struct.size
    lines.append("return 0; }")
    source = tmp_path / "layout.c"
    source.write_text("\n".join(lines))
    subprocess.run(["cc", "-std=c11", "-o", tmp_path / "layout", source], check=True)
    out = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout
    assert [int(line) for line in out.split()] == expected
