"""Files of Django on their way out and in, and uploads in rows of the outbox."""

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import ClassVar, Self, assert_type

import pytest
from asgiref.sync import sync_to_async
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, default_storage, storages
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import connection, connections, models
from django.utils import timezone

from tests.api.fakes import MSG_ID, TOKEN, FakeTransport, answer, bot_over, send
from tests.api.file_server import FileServer
from tests.api.test_files import uploaded
from tests.stores.factories import store
from vkteams_bot.api import Bot, Call, InputFile
from vkteams_bot.api.downloads import Download
from vkteams_bot.api.files import StoredFile
from vkteams_bot.api.methods import SendFile
from vkteams_bot.api.types import FileInfo, SentMessage
from vkteams_bot.exceptions import DownloadFailed, InvalidCall
from vkteams_bot.models import OutgoingCall
from vkteams_bot.stores import outbox, payloads
from vkteams_bot.stores.outbox import NewCall
from vkteams_bot.stores.uuid7 import uuid7

CONTENT = bytes(range(256)) * 1000
SENT = answer(msgId=MSG_ID)


class Order(models.Model):
    attachment = models.FileField(upload_to="orders")
    remote = models.FileField(storage=InMemoryStorage())
    foreign = models.FileField(storage=InMemoryStorage())

    objects: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        app_label = "test_uploads"

    def __str__(self):
        return self.attachment.name


@pytest.fixture(params=["async", "sync"])
def face(request):
    return request.param


@pytest.fixture(autouse=True)
def _storages(settings, tmp_path, monkeypatch):
    """`remote` has no paths, as a bucket; `foreign` stands in no setting."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STORAGES = {**settings.STORAGES, "remote": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    monkeypatch.setattr(Order._meta.get_field("remote"), "storage", storages["remote"])


@pytest.fixture
def order():
    order = Order()
    for field in (order.attachment, order.remote, order.foreign):
        field.save("счёт.pdf", ContentFile(CONTENT), save=False)
    return order


class Failing(InMemoryStorage):
    def _open(self, name, mode="rb"):
        raise FileNotFoundError(2, "No such file or directory")


# out


@pytest.mark.parametrize("field", ["attachment", "remote", "foreign"])
def test_file_field_is_uploaded_whatever_its_storage(order, field, face):
    transport = FakeTransport(SENT)
    file = InputFile(getattr(order, field))
    assert file.is_far == (field != "attachment")
    send(bot_over(transport), SendFile("c", file), face)
    assert [content for _, content in uploaded(transport)] == [CONTENT]
    assert file.filename.startswith("счёт")


def test_file_of_a_form_is_uploaded_before_its_model_is_saved(face):
    transport = FakeTransport(SENT)
    order = Order(attachment=ContentFile(CONTENT, name="a.pdf"), remote=ContentFile(CONTENT, name="b.pdf"))
    for file in (order.attachment, order.remote):
        send(bot_over(transport), SendFile("c", file), face)
    assert uploaded(transport) == [("a.pdf", CONTENT), ("b.pdf", CONTENT)]


def test_empty_field_is_an_invalid_call():
    with pytest.raises(InvalidCall, match="the file field is empty"):
        bot_over(FakeTransport(SENT)).send_file("c", Order().attachment)


def test_file_that_its_storage_has_lost_is_named_and_nothing_is_sent(order, face):
    transport = FakeTransport(SENT)
    order.attachment.delete(save=False)
    gone = [InputFile(StoredFile(default_storage, "gone.pdf"), filename="gone.pdf")]
    gone.append(InputFile(StoredFile(Failing(), "gone.pdf"), filename="gone.pdf"))
    for file in gone:
        with pytest.raises(InvalidCall, match=r"cannot read .*gone\.pdf: No such file or directory"):
            send(bot_over(transport), SendFile("c", file), face)
    assert transport.requests == []


# in


@pytest.fixture
def order_table(transactional_db):
    with connection.schema_editor() as editor:
        editor.create_model(Order)
    yield
    with connection.schema_editor() as editor:
        editor.delete_model(Order)


def download(server, face, destination):
    bot = Bot(TOKEN, server.url("/bot/v1"))
    info = FileInfo(size=len(CONTENT), filename="../счёт.pdf", url=server.url("/a"))
    if face == "sync":
        try:
            return bot.download(info, destination).send()
        finally:
            bot.close()

    async def main():
        try:
            async with bot:
                return await bot.download(info, destination)
        finally:
            await sync_to_async(connections.close_all)()  # where the row was saved

    return asyncio.run(main())


@pytest.mark.orm
@pytest.mark.parametrize("field", ["attachment", "remote"])
def test_download_to_a_field_is_stored_and_its_row_saved(order_table, field, face):
    order = Order()
    with FileServer(lambda request: request.reply(CONTENT)) as server:
        name = download(server, face, getattr(order, field))
    saved = getattr(Order.objects.get(), field)
    assert saved.name == name
    assert name.startswith("orders/счёт" if field == "attachment" else "счёт")
    with saved.open() as file:
        assert file.read() == CONTENT


@pytest.mark.orm
def test_failed_download_saves_no_row(order_table, face, settings):
    with FileServer(lambda request: request.begin(5)) as server, pytest.raises(DownloadFailed):
        download(server, face, Order().attachment)
    assert not Order.objects.exists()
    assert not Path(settings.MEDIA_ROOT).exists()


def test_download_to_a_storage(face):
    with FileServer(lambda request: request.reply(CONTENT)) as server:
        names = [download(server, face, storages["remote"]) for _ in range(2)]
    assert len(set(names)) == 2
    assert {storages["remote"].open(name).read() for name in names} == {CONTENT}


# in the outbox


def through_a_row(upload):
    """What another process makes of the row."""
    params = json.loads(json.dumps(payloads.stored(SendFile("c", upload), None)))
    return payloads.restored(SendFile.path, params)


@pytest.mark.parametrize("kind", ["bytes", "base64", "path", "open file", "field", "remote field", "content file"])
def test_upload_survives_its_row(order, kind, face, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    with path.open("rb") as opened:
        method = through_a_row(
            {
                "bytes": InputFile(CONTENT, filename="a.bin"),
                "base64": InputFile.from_base64(base64.b64encode(CONTENT), filename="a.bin"),
                "path": InputFile(path),
                "open file": InputFile(opened),
                "field": InputFile(order.attachment, filename="a.bin"),
                "remote field": InputFile(order.remote, filename="a.bin"),
                "content file": InputFile(ContentFile(CONTENT, name="a.bin")),
            }[kind]
        )
    transport = FakeTransport(SENT)
    send(bot_over(transport), method, face)
    assert uploaded(transport) == [("a.bin", CONTENT)]


def test_stored_files_are_named_not_copied(order, tmp_path):
    assert payloads.stored_upload(InputFile(order.attachment)) == {
        "storage": "default",
        "name": "orders/счёт.pdf",
        "filename": "счёт.pdf",
    }
    assert payloads.stored_upload(InputFile(order.remote))["storage"] == "remote"
    assert payloads.stored_upload(InputFile(tmp_path / "a")) == {"path": str(tmp_path / "a"), "filename": "a"}


def test_web_file_is_fetched_by_who_sends_it():
    file = InputFile.from_url("https://example.ru/a.png", max_size=5)
    assert through_a_row(file).upload.web == file.web
    named = InputFile.from_url("https://example.ru/a.png", filename="b.png")
    assert through_a_row(named).upload.filename == "b.png"


def test_temporary_upload_is_copied_before_it_goes():
    with TemporaryUploadedFile("a.bin", None, len(CONTENT), None) as file:
        file.write(CONTENT)
        file.flush()
        method = through_a_row(InputFile(file))
    assert method.upload.content == CONTENT


def test_what_no_row_can_hold_says_what_to_do(order):
    limit = payloads.MAX_STORED_BYTES
    assert through_a_row(InputFile(bytes(limit), filename="a")).upload.content == bytes(limit)
    for upload, reason in [
        (InputFile(bytes(limit + 1), filename="a"), "at most 1024 KB of content: await it instead, or save the file"),
        (InputFile(order.foreign), "its storage is not one of STORAGES: await it instead"),
        (InputFile.from_url("https://example.ru/a", proxy="http://u:secret@p:1"), "password: await it instead"),
    ]:
        with pytest.raises(InvalidCall, match=reason) as raised:
            payloads.stored(SendFile("c", upload), None)
        assert "secret" not in str(raised.value)


@pytest.mark.orm
@pytest.mark.django_db
def test_row_is_read_back_from_the_database():
    bot = store()
    method = SendFile("c", InputFile(CONTENT, filename="отчёт\0.bin"), caption="x")
    lost_params = {"chatId": "c", "file": {"storage": "gone", "name": "a", "filename": "a"}}
    good, lost = (
        NewCall(id=uuid7(), method=method.path, chat_id="c", params=params, origin=OutgoingCall.Origin.REPLY)
        for params in (payloads.stored(method, None), lost_params)
    )
    outbox.insert(bot.account_id, [good, lost], timezone.now())
    (reply,) = bot.waiting_replies((), 10)
    read_back = reply.flight.method
    assert isinstance(read_back, SendFile)
    assert read_back.upload is not None
    assert (reply.flight.call.id, read_back.upload.content, read_back.caption) == (good.id, CONTENT, "x")
    assert "cannot be sent" in OutgoingCall.objects.get(pk=lost.id).error


def test_types() -> None:
    """What type checkers see."""
    bot: Bot = bot_over(FakeTransport(SENT))
    address, order = "https://example.ru/a", Order()
    downloads = [
        assert_type(bot.download(address), Download[bytes]),
        assert_type(bot.download(address, "dir/a.txt", max_size=None), Download[Path]),
        assert_type(bot.download(address, order.attachment), Download[str]),
        assert_type(bot.download(address, default_storage), Download[str]),
        assert_type(bot.download(address, io.BytesIO()), Download[io.BytesIO]),
    ]
    assert {type(download) for download in downloads} == {Download}
    for call in (
        assert_type(bot.send_file("c", ContentFile(b"x", name="a")), Call[SentMessage]),
        assert_type(bot.send_voice("c", Path("a")), Call[SentMessage]),
    ):
        call.take()
