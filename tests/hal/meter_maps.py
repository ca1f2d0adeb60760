"""Meters as their makers' documents describe them, as registers."""

from __future__ import annotations

from tests.hal.modbus_fake import Device


def sdm630(unit: int = 1, kilowatt_hours: float = 1234.5) -> Device:
    """Three phases at 230 V and 16 A. Registers 0x0000 to 0x0049 exist, and the serial number."""
    device = Device(unit)
    device.words({0x0000: (0,) * 0x4A, 0xFC00: (0x0012, 0xD687)})
    device.floats({0x00: 230.0, 0x02: 231.0, 0x04: 229.0, 0x06: 16.0, 0x08: 15.5, 0x0A: 16.5})
    device.floats({0x0C: 3680.0, 0x0E: 3580.5, 0x10: 3778.5, 0x34: 11039.0, 0x46: 50.0, 0x48: kilowatt_hours})
    return device


def sdm230(unit: int = 1) -> Device:
    """One phase; nothing exists between its values."""
    device = Device(unit)
    device.floats({0x00: 230.0, 0x06: 10.0, 0x0C: 2300.0, 0x48: 7.25})
    return device


def sunspec(model: int, unit: int = 1, base: int = 40000, serial: str = "SN-4711") -> Device:
    """SunS, the common model, an inverter's model that is in the way, the meter, the end."""
    device = Device(unit)
    name = serial.encode().ljust(32, b"\0")
    words = tuple(name[i] << 8 | name[i + 1] for i in range(0, 32, 2))
    meter = base + 2 + 68 + 52
    length = 105 if model < 210 else 124
    device.words(
        {
            base: (0x5375, 0x6E53, 1, 66, *((0,) * 66)),
            base + 2 + 50: words,
            base + 70: (103, 50, *((0,) * 50)),
            meter: (model, length, *((0,) * length), 0xFFFF, 0),
        }
    )
    if model < 210:
        device.words({meter + 3: (165, 160, 155, 0xFFFF)})  # 16.5, 16.0, 15.5 A
        device.words({meter + 8: (2301, 2302, 2303)})
        device.words({meter + 12: (3990, 4000, 4010, 0xFFFF)})
        device.words({meter + 18: (1104,), meter + 22: (1,)})  # 11040 W
        device.words({meter + 46: (0x0001, 0x0000), meter + 54: (1,)})  # 655360 Wh
    else:
        device.floats({meter + 4: 16.5, meter + 6: 16.0, meter + 8: 15.5})
        device.floats(
            {meter + 12: 230.0, meter + 14: 231.0, meter + 16: 229.0, meter + 28: 11040.0, meter + 68: 655360.0}
        )
        device.words({meter + 20: (0x7FC0, 0) * 3})
    if model < 210:
        device.words({meter + 15: (0xFFFF,), meter + 6: (0xFFFF,)})  # scale factors of -1
    return device
