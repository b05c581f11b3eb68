"""Cycles of a Cortex-M4, estimated from executed blocks.

The Cortex-M4 Technical Reference Manual (Arm 100166, r0p1; table 3-1 and the notes on load and store timings, table 7-1 for
floating point) states cycles for every instruction with zero wait states. Two of its figures are ranges: a pipeline refill
takes 1 to 3 cycles, a division 2 to 12. Estimates take the middle, 2 and 7; the bounds take the ends.

Not modelled: wait states, bus contention, unaligned accesses, results of the floating-point unit that are waited for.
"""

from __future__ import annotations

from dataclasses import dataclass

import capstone
from capstone import arm

REFILL = (1, 2, 3)  # least, middle, most
DIVISION = (2, 7, 12)

_LOADS = {arm.ARM_INS_LDR, arm.ARM_INS_LDRB, arm.ARM_INS_LDRH, arm.ARM_INS_LDRSB, arm.ARM_INS_LDRSH}
_STORES = {arm.ARM_INS_STR, arm.ARM_INS_STRB, arm.ARM_INS_STRH}
_DIVISIONS = {arm.ARM_INS_SDIV, arm.ARM_INS_UDIV}
_LISTS = {
    arm.ARM_INS_PUSH, arm.ARM_INS_POP, arm.ARM_INS_LDM, arm.ARM_INS_LDMDB, arm.ARM_INS_STM, arm.ARM_INS_STMDB,
    arm.ARM_INS_VPUSH, arm.ARM_INS_VPOP, arm.ARM_INS_VLDMIA, arm.ARM_INS_VLDMDB, arm.ARM_INS_VSTMIA, arm.ARM_INS_VSTMDB,
}  # fmt: skip
_BASE_IN_LIST = _LISTS - {arm.ARM_INS_PUSH, arm.ARM_INS_POP, arm.ARM_INS_VPUSH, arm.ARM_INS_VPOP}
_FIXED = {
    arm.ARM_INS_LDRD: 3, arm.ARM_INS_STRD: 3, arm.ARM_INS_TBB: 2, arm.ARM_INS_TBH: 2,
    arm.ARM_INS_LDREX: 2, arm.ARM_INS_STREX: 2,
    arm.ARM_INS_VMLA: 3, arm.ARM_INS_VMLS: 3, arm.ARM_INS_VNMLA: 3, arm.ARM_INS_VNMLS: 3,
    arm.ARM_INS_VFMA: 3, arm.ARM_INS_VFMS: 3, arm.ARM_INS_VFNMA: 3, arm.ARM_INS_VFNMS: 3,
    arm.ARM_INS_VDIV: 14, arm.ARM_INS_VSQRT: 14,
}  # fmt: skip
_PAIR_BASES = {arm.ARM_INS_VLDR, arm.ARM_INS_VSTR}


@dataclass(frozen=True)
class BlockCost:
    """Cycles of one execution: what is fixed, divisions apart; a branch that is taken adds a refill."""

    fixed: int
    divisions: int


@dataclass(frozen=True)
class Cycles:
    """An estimate between its bounds."""

    least: int = 0
    middle: int = 0
    most: int = 0

    def __add__(self, other: Cycles) -> Cycles:
        return Cycles(self.least + other.least, self.middle + other.middle, self.most + other.most)

    def __sub__(self, other: Cycles) -> Cycles:
        return Cycles(self.least - other.least, self.middle - other.middle, self.most - other.most)


def count_cycles(cost: BlockCost, executed: int, taken: int) -> Cycles:
    """Return the cycles of a block's executions, of which so many ended in a branch that was taken."""
    return Cycles(
        *(
            cost.fixed * executed + division * cost.divisions * executed + refill * taken
            for refill, division in zip(REFILL, DIVISION, strict=True)
        )
    )


class Decoder:
    """Reads blocks of Thumb code."""

    def __init__(self) -> None:
        self._decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        self._decoder.detail = True

    def cost(self, code: bytes, address: int, n_instructions: int) -> BlockCost | None:
        """Return a block's cost, or None where not all of it can be read.

        Parameters
        ----------
        code
            The block's bytes.
        address
            Its address.
        n_instructions
            How many the emulator found in it.
        """
        instructions = list(self._decoder.disasm(code, address))
        if len(instructions) != n_instructions:
            return None
        fixed = divisions = 0
        loaded: int | None = None  # register that the instruction before loaded, if it was a single load
        for instruction in instructions:
            if instruction.id in _DIVISIONS:
                divisions += 1
                loaded = None
                continue
            cycles, loaded = _cost_one(instruction, loaded)
            fixed += cycles
        return BlockCost(fixed, divisions)


def _cost_one(instruction: capstone.CsInsn, loaded: int | None) -> tuple[int, int | None]:
    """Return an instruction's cycles without refill, and the register that it loads if it is a single load."""
    which, operands = instruction.id, instruction.operands
    if which in _LOADS:
        if operands[0].reg == arm.ARM_REG_PC:
            return 2, None
        # Single loads in a row overlap, each but the first in one cycle, unless the address comes from the load before.
        address = next((o.mem for o in operands[1:] if o.type == arm.ARM_OP_MEM), None)
        waits = loaded is None or (address is not None and loaded in (address.base, address.index))
        return (2 if waits else 1), operands[0].reg
    if which in _STORES:
        return 1, None  # the write buffer takes it
    if which in _LISTS:
        registers = operands[1:] if which in _BASE_IN_LIST else operands
        return 1 + sum(2 if _is_double(instruction, o.reg) else 1 for o in registers), None
    if which in _PAIR_BASES:
        return (3 if _is_double(instruction, operands[0].reg) else 2), None
    if which == arm.ARM_INS_VMOV and sum(o.type == arm.ARM_OP_REG for o in operands) > 2:
        return 2, None
    return _FIXED.get(which, 1), None


def _is_double(instruction: capstone.CsInsn, register: int) -> bool:
    return bool(instruction.reg_name(register).startswith("d"))
