"""The local PlatformIO platform: it takes compilers from the machine and downloads nothing."""

from platformio.public import PlatformBase


class MyopatchPlatform(PlatformBase):
    """Boards of MyoPatch; all there is to say is in builder/main.py."""

    def is_embedded(self) -> bool:
        """Return whether there is something to upload to: virtual boards take their image when they start."""
        return False
