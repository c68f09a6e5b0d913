import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from email.utils import formatdate
from pathlib import Path

import pytest

from fault_server import (
    CONTENT,
    CUT,
    FAULTS,
    MIB,
    NAME,
    OTHER,
    QUICK,
    SIZE,
    Answer,
    Fault,
    cut,
    first,
    measure,
    publish,
    say,
    serving,
    tabulate,
)
from ratsnlp import nlpbook
from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.data import download
from ratsnlp.nlpbook.data.download import Patience
from ratsnlp.nlpbook.errors import ArgumentError, DownloadError

TABLE = Path(__file__).parents[2] / "docs" / "downloads.md"
DEAD = "http://127.0.0.1:9"


@pytest.fixture
def serve(monkeypatch):
    """Return a function that publishes `CONTENT` as the only file of NSMC, from a server that behaves as told."""
    monkeypatch.delenv(download.OFFLINE)
    with ExitStack() as servers:

        def start(behave=Answer.send_file):
            server = servers.enter_context(serving(behave))
            monkeypatch.setitem(download.CATALOG, "nsmc", publish(f"{server.address}/published/{NAME}"))
            return server

        yield start


@pytest.fixture
def path(tmp_path):
    """Return where NSMC's file goes."""
    (tmp_path / "nsmc").mkdir()
    return tmp_path / "nsmc" / NAME


def get(root, force=False):
    return download.download_corpus("nsmc", root, force, QUICK)


def half(path, content=CONTENT[:CUT]):
    """Leave a half file, as an earlier try does."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    return part


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


# --- faults of the server ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_fault_costs_what_the_table_says_and_never_leaves_a_wrong_file(fault: Fault, tmp_path, monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    outcome = measure(fault, tmp_path)
    assert (outcome.requests, round(outcome.received / MIB)) == (fault.requests, fault.mebibytes)
    assert re.search(fault.said, outcome.said)
    if fault.fetched:
        assert (tmp_path / "nsmc" / NAME).read_bytes() == CONTENT
        assert outcome.held == {NAME: SIZE}
    else:
        assert outcome.held == ({f"{NAME}.part": fault.kept * MIB} if fault.kept else {})
    assert tabulate(fault, outcome) in TABLE.read_text(encoding="utf-8").splitlines()


def test_a_resumed_download_asks_for_the_missing_bytes_of_the_same_version(serve, path):
    server = serve(lambda answer: answer.send_file(most=CUT, ETag='"1"'))
    assert get(path.parents[1]) == [path]
    assert server.ranges() == [None, "bytes=3145728-", "bytes=6291456-"]
    assert [headers.get("If-Range") for _, headers in server.asked] == [None, '"1"', '"1"']


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"ETag": 'W/"1"', "Last-Modified": "Mon, 02 Jan 2023 00:00:00 GMT"}, "Mon, 02 Jan 2023 00:00:00 GMT"),
        ({}, None),
    ],
)
def test_a_weak_etag_is_no_version_to_ask_for(serve, path, told, wanted):
    server = serve(first(lambda answer: answer.send_file(most=CUT, **told)))
    get(path.parents[1])
    assert server.asked[1][1].get("If-Range") == wanted


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_the_wait_doubles_up_to_a_limit_and_differs_from_machine_to_machine():
    patience = Patience(first_wait=1, longest_wait=6)
    for failures, longest in [(1, 1), (2, 2), (3, 4), (4, 6), (9, 6)]:
        waits = {patience.wait_after(failures) for _ in range(50)}
        assert len(waits) > 1
        assert longest / 2 <= min(waits) <= max(waits) <= longest


@pytest.mark.parametrize(
    ("told", "least", "most"),
    [("7", 7, 7), (lambda: formatdate(time.time() + 30, usegmt=True), 20, 30), ("soon", 0, 0.01), ("-5", 0, 0.01)],
    ids=["seconds", "date", "neither", "negative"],
)
def test_a_server_that_asks_to_be_left_alone_is(serve, path, monkeypatch, caplog, told, least, most):
    waits = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    caplog.set_level("INFO", "ratsnlp")
    serve(first(say(503, Retry_After=told() if callable(told) else told)))
    get(path.parents[1])
    assert len(waits) == 1
    assert least <= waits[0] <= most
    assert re.search(
        r"ratings_train\.txt: status 503 Service Unavailable; asking again in \d+\.\d seconds", caplog.text
    )


# --- what an earlier try left -----------------------------------------------------------------------------------------


def test_the_half_file_of_an_earlier_try_is_gone_on_with(serve, path):
    half(path)
    server = serve()
    get(path.parents[1])
    assert path.read_bytes() == CONTENT
    assert server.ranges() == ["bytes=3145728-"]
    assert visible(path.parent) == [NAME]


def test_a_whole_half_file_needs_no_request(serve, path):
    half(path, CONTENT)
    server = serve()
    get(path.parents[1])
    assert path.read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize(
    ("content", "ranges"),
    [(OTHER[:CUT], ["bytes=3145728-", None]), (OTHER, [None]), (CONTENT + b"more", [None])],
    ids=["of another file", "whole, of another file", "too long"],
)
def test_a_half_file_that_is_wrong_costs_a_whole_one_and_no_more(serve, path, content, ranges):
    half(path, content)
    server = serve()
    get(path.parents[1])
    assert path.read_bytes() == CONTENT
    assert server.ranges() == ranges


RUN = """
import sys
sys.path.insert(0, {tests!r})
from fault_server import publish
from ratsnlp import cli
from ratsnlp.nlpbook.data.download import CATALOG
CATALOG["nsmc"] = publish({address!r})
sys.argv = ["ratsnlp", "download", "nsmc", "--root", {root!r}]
cli.main()
"""


def start_command(server, root):
    """Start `ratsnlp download nsmc` in a process of its own."""
    address = f"{server.address}/published/{NAME}"
    script = RUN.format(tests=str(Path(__file__).parents[1]), address=address, root=str(root))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    return subprocess.Popen([sys.executable, "-c", script], **pipes)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_ended_process_leaves_a_half_file_for_the_next(serve, path, how):
    server = serve(first(lambda answer: (cut(answer), answer.stall())))
    part = path.with_name(f"{NAME}.part")
    with start_command(server, path.parents[1]) as process:
        wait_for(lambda: part.exists() and part.stat().st_size > 2 * MIB)
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert visible(path.parent) == [part.name]
    held = part.stat().st_size
    get(path.parents[1])
    assert path.read_bytes() == CONTENT
    assert server.ranges() == [None, f"bytes={held}-"]


def test_a_second_process_waits_and_uses_what_the_first_fetched(serve, path, caplog):
    server = serve(lambda answer: (wait_for(lambda: "waiting for it" in caplog.text), answer.send_file()))
    caplog.set_level("INFO", "ratsnlp")
    with start_command(server, path.parents[1]) as other:
        wait_for(lambda: server.asked)
        get(path.parents[1])
        shown, errors = other.communicate(timeout=60)
    assert other.returncode == 0, errors
    assert shown.strip() == str(path)
    assert path.read_bytes() == CONTENT
    assert f"another process is fetching {path}: waiting for it" in caplog.text
    assert f"cache file({path}) exists, using cache!" in caplog.text
    assert len(server.asked) == 1


# --- what is in place -------------------------------------------------------------------------------------------------


@pytest.fixture
def args(tmp_path):
    return TrainArguments(downstream_corpus_name="nsmc", downstream_corpus_root_dir=str(tmp_path))


def test_a_corpus_is_fetched_and_put_in_place_with_a_bar(serve, args, path, caplog, capsys):
    server = serve()
    caplog.set_level("INFO", "ratsnlp")
    nlpbook.download_downstream_dataset(args)
    assert path.read_bytes() == CONTENT
    assert f"fetched {path} (CC0)" in caplog.text
    assert re.search(rf"{NAME}: +100%.*8\.39M/8\.39M", capsys.readouterr().err)
    nlpbook.download_downstream_dataset(args)
    assert len(server.asked) == 1
    assert caplog.messages[-1] == f"cache file({path}) exists, using cache!"


def test_an_own_file_in_place_is_used_as_it_is_and_said(serve, args, path, caplog):
    path.write_text("my own", encoding="utf-8")
    server = serve()
    caplog.set_level("INFO", "ratsnlp")
    nlpbook.download_downstream_dataset(args)
    assert path.read_text(encoding="utf-8") == "my own"
    assert server.asked == []
    said = r"exists, using cache! It has 6 bytes, the published one 8,388,608: your own, or cut short .* force_download"
    assert re.search(said, caplog.text)


@pytest.mark.parametrize(("content", "what"), [("", "empty"), ("\n<html>login</html>", "a web page")])
def test_what_is_no_corpus_is_no_cache_hit(serve, args, path, caplog, content, what):
    path.write_text(content, encoding="utf-8")
    serve()
    nlpbook.download_downstream_dataset(args)
    assert path.read_bytes() == CONTENT
    assert f"{path} is {what}, not a corpus: fetching it again" in caplog.text


def test_force_download_fetches_again(serve, args, path):
    path.write_text("old", encoding="utf-8")
    args.force_download = True
    serve()
    nlpbook.download_downstream_dataset(args)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("behave", [say(404), lambda answer: answer.send_file(OTHER)], ids=["404", "wrong bytes"])
def test_what_was_in_place_stays_where_force_download_fails(serve, path, behave):
    path.write_text("old", encoding="utf-8")
    serve(behave)
    with pytest.raises(DownloadError, match=r"ratings_train\.txt could not be fetched"):
        get(path.parents[1], force=True)
    assert path.read_text(encoding="utf-8") == "old"
    assert visible(path.parent) == [NAME]


# --- other ways to the file -------------------------------------------------------------------------------------------


def test_mirrors_are_asked_first_and_in_order(serve, path, monkeypatch, caplog):
    published = serve()
    school = serve()
    monkeypatch.setitem(download.CATALOG, "nsmc", publish(f"{published.address}/{NAME}"))
    monkeypatch.setenv(download.MIRRORS, f"{DEAD} {school.address}/corpora/")
    get(path.parents[1])
    assert path.read_bytes() == CONTENT
    assert [asked for asked, _ in school.asked] == [f"/corpora/nsmc/{NAME}"]
    assert published.asked == []


def test_another_address_goes_on_where_one_broke_off(serve, path, monkeypatch):
    school = serve(first(lambda answer: answer.send_file(most=CUT, ETag='"1"'), say(404)))
    published = serve()
    monkeypatch.setenv(download.MIRRORS, school.address)
    get(path.parents[1])
    assert path.read_bytes() == CONTENT
    assert school.ranges() == [None, "bytes=3145728-"]
    assert published.ranges() == ["bytes=3145728-"]
    assert "If-Range" not in published.asked[0][1]


def test_the_message_says_what_each_address_answered_and_what_to_do(serve, path, monkeypatch):
    published = serve(first(cut, say(403)))
    monkeypatch.setenv(download.MIRRORS, f"{DEAD} school.example/corpora")
    with pytest.raises(DownloadError) as error:
        get(path.parents[1])
    wanted = [
        r"ratings_train\.txt could not be fetched:",
        rf"  {DEAD}/nsmc/{NAME}: .*refused.* \(4 requests in a row brought nothing new\)",
        rf"  school\.example/corpora/nsmc/{NAME}: .*missing an 'http://' or 'https://' protocol.*",
        rf"  {published.address}/published/{NAME}: status 403 Forbidden",
        r"3,145,728 of 8,388,608 bytes are here; run the same again and it goes on from there\.",
        rf"Check the connection, or put the file at {path} by hand \(fetched elsewhere, from {published.address}/.*\),",
        rf"or set RATSNLP_MIRRORS to a server that has nsmc/{NAME},",
        r"or learn without a network: downstream_corpus_name='builtin-nsmc'",
    ]
    for line, pattern in zip(str(error.value).splitlines(), wanted, strict=True):
        assert re.fullmatch(pattern, line)


def test_offline_asks_no_published_address(serve, path, monkeypatch):
    published = serve()
    monkeypatch.setenv(download.OFFLINE, "1")
    with pytest.raises(DownloadError, match="RATSNLP_OFFLINE is set: the published addresses were not asked"):
        get(path.parents[1])
    assert published.asked == []
    monkeypatch.setenv(download.MIRRORS, published.address)
    get(path.parents[1])
    assert path.read_bytes() == CONTENT


def test_a_corpus_without_a_sample_of_its_own_names_those_there_are(serve, tmp_path, monkeypatch):
    monkeypatch.setenv(download.OFFLINE, "1")
    with pytest.raises(DownloadError, match=r"or learn without a network: .*'builtin-klue-nli' or .*'builtin-nsmc'"):
        download.download_corpus("kornli", tmp_path)


def test_the_proxy_of_the_environment_is_used(serve, path, monkeypatch):
    proxy = serve()
    monkeypatch.setitem(download.CATALOG, "nsmc", publish(f"http://corpora.example/{NAME}"))
    monkeypatch.setenv("HTTP_PROXY", proxy.address)
    get(path.parents[1])
    assert path.read_bytes() == CONTENT
    assert [asked for asked, _ in proxy.asked] == [f"http://corpora.example/{NAME}"]


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "ftp://127.0.0.1:9", "http://127.0.0.1:port"])
def test_a_proxy_that_cannot_be_used_is_named(serve, path, monkeypatch, proxy):
    serve()
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(DownloadError, match=r"the proxy that HTTP_PROXY.* names cannot be used: .*or unset it"):
        get(path.parents[1])


# --- the disk ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, which is a full disk to whoever writes to it")
def test_a_disk_that_fills_up_is_said_and_nothing_is_in_place(serve, path):
    path.write_text("old", encoding="utf-8")
    path.with_name(f"{NAME}.part").symlink_to("/dev/full")
    serve()
    with pytest.raises(
        DownloadError, match=r"no room for .*nsmc.*8,388,608 bytes, .* Make room and run the same again"
    ):
        get(path.parents[1], force=True)
    assert path.read_text(encoding="utf-8") == "old"


def test_too_little_room_is_said_before_anything_is_asked(serve, path, monkeypatch):
    server = serve()
    half(path)
    usage = shutil.disk_usage(path.parent)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage._replace(free=SIZE - CUT - 1))
    with pytest.raises(DownloadError, match=r"5,242,879 are free there\..* the 3,145,728 bytes that came are kept in"):
        get(path.parents[1])
    assert server.asked == []
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage._replace(free=SIZE - CUT))
    get(path.parents[1])
    assert path.read_bytes() == CONTENT


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="no folder here in which nobody, not even root, may write")
@pytest.mark.parametrize("place", ["/sys/kernel", "/sys/no/such/folder"])
def test_a_folder_that_cannot_be_written_is_said(serve, place):
    server = serve()
    wanted = rf"{place}/{NAME} cannot be written: .*permit.* Nothing was put in place; give another folder"
    with pytest.raises(DownloadError, match=f"(?i){wanted.replace('permit', '(permi|read-only)')}"):
        download.put_in_place(download.CATALOG["nsmc"].files[0], "nsmc", Path(place) / NAME, False, QUICK)
    assert server.asked == []


def test_a_file_where_the_folder_should_be_is_said(serve, tmp_path):
    serve()
    (tmp_path / "nsmc").write_text("a file", encoding="utf-8")
    with pytest.raises(DownloadError, match=rf"nsmc/{NAME} cannot be written: .*; give another folder"):
        get(tmp_path)


def test_a_quota_is_a_full_disk_too(path):
    error = OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
    assert download.explain_disk(error, path, publish(DEAD).files[0]).startswith(f"no room for {path}: the file has")


# --- catalog and command ----------------------------------------------------------------------------------------------


def test_a_corpus_outside_the_catalog_is_named():
    with pytest.raises(
        ArgumentError, match=r"not valid data name\(nscm\): the catalog holds nsmc, klue-nli, kornli, kor"
    ):
        nlpbook.download_downstream_dataset(TrainArguments(downstream_corpus_name="nscm"))


def test_a_builtin_corpus_needs_no_fetching(caplog):
    caplog.set_level("INFO", "ratsnlp")
    nlpbook.download_downstream_dataset(TrainArguments(downstream_corpus_name="builtin-nsmc"))
    assert "builtin-nsmc comes with the package, nothing to fetch" in caplog.text


def test_every_file_of_the_catalog_has_a_digest_a_size_and_a_pinned_address():
    assert list(download.CATALOG) == ["nsmc", "klue-nli", "kornli", "korquad-v1", "klue-ner"]
    files = [file for corpus in download.CATALOG.values() for file in corpus.files]
    assert len({file.sha256 for file in files}) == len(files) == 12
    for file in files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert file.size > 0
        assert re.search("/[0-9a-f]{40}/", file.addresses[0])


@pytest.mark.real_data
@pytest.mark.skipif("RATSNLP_REAL_DATA" not in os.environ, reason="RATSNLP_REAL_DATA names no folder of real corpora")
@pytest.mark.parametrize(
    ("corpus", "name"),
    [
        ("klue-nli", "klue_nli_dev.json"),
        ("kornli", "xnli.test.ko.tsv"),
        ("korquad-v1", "KorQuAD_v1.0_dev.json"),
        ("klue-ner", "klue-ner-v1.1_dev.tsv"),
    ],
)
def test_the_digests_are_those_of_published_files(corpus, name):
    (file,) = (file for file in download.CATALOG[corpus].files if file.name == name)
    content = (Path(os.environ["RATSNLP_REAL_DATA"]) / corpus / name).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)


@pytest.fixture
def call(call):
    """Return a function that runs `ratsnlp download` in this process and gives status, output and errors."""
    return lambda *arguments: call("download", *arguments)


def test_the_command_fetches_and_tells_where_the_files_are(serve, call, path):
    server = serve()
    status, shown, errors = call("nsmc", "--root", path.parents[1])
    assert (status, shown) == (0, f"{path}\n"), errors
    assert path.read_bytes() == CONTENT
    assert call("nsmc", "--root", path.parents[1], "--force_download")[0] == 0
    assert len(server.asked) == 2


def test_the_command_without_a_corpus_lists_them_all(call):
    status, shown, _ = call()
    assert status == 0
    assert re.search(r"^korquad-v1 \(CC BY-ND 2\.0 KR\)\n  KorQuAD_v1\.0_train\.json +38\.5 MB  https://", shown, re.M)
    for corpus in download.CATALOG.values():
        assert all(file.addresses[0] in shown for file in corpus.files)


def test_the_command_ends_a_failure_with_one_message_and_status_2(serve, call, tmp_path):
    serve(say(404))
    status, _, errors = call("nsmc", "--root", tmp_path)
    assert status == 2
    assert "error: ratings_train.txt could not be fetched:" in errors
    assert "Traceback" not in errors
    assert call("nscm")[0] == 2


def test_the_command_loads_no_torch():
    script = "import sys; sys.modules['torch'] = None; from ratsnlp import cli; sys.argv[1:] = ['download']; cli.main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
