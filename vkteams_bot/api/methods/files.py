"""files/*"""

from vkteams_bot.api.methods.base import Method, endpoint
from vkteams_bot.api.types import FileInfo


@endpoint("files/getInfo", FileInfo, safe_to_repeat=True)
class GetFileInfo(Method[FileInfo]):
    """Name, size, kind and temporary address of a file."""

    file_id: str
