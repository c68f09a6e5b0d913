import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ratsnlp import nlpbook
from ratsnlp.nlpbook.arguments import TrainArguments
from ratsnlp.nlpbook.data import catalog, download
from ratsnlp.nlpbook.errors import ArgumentError, DownloadError

CONTENT = "id\tdocument\tlabel\n1\t좋다\t1\n".encode() * 100


class Published(BaseHTTPRequestHandler):
    """A loopback server that publishes one content, or fails as told."""

    content, status, cut = CONTENT, 200, False

    def do_GET(self):
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content[: len(self.content) // 2] if self.cut else self.content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    class Handler(Published):
        pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv(download.BASE_ADDRESS, f"http://127.0.0.1:{server.server_port}")
    digest = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    files = tuple(
        catalog.RemoteFile(name, "http://127.0.0.1:9/never", digest)
        for name in ("ratings_train.txt", "ratings_test.txt")
    )
    monkeypatch.setitem(catalog.CATALOG, "nsmc", catalog.RemoteCorpus(files, "CC0"))
    yield Handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def args(tmp_path):
    return TrainArguments(downstream_corpus_name="nsmc", downstream_corpus_root_dir=str(tmp_path))


def test_a_corpus_is_fetched_verified_and_put_in_place(server, args, tmp_path):
    nlpbook.download_downstream_dataset(args)
    held = sorted(path.name for path in (tmp_path / "nsmc").iterdir() if not path.name.startswith("."))
    assert held == ["ratings_test.txt", "ratings_train.txt"]
    assert (tmp_path / "nsmc" / "ratings_train.txt").read_bytes() == CONTENT


def test_a_file_in_place_is_used_as_it_is(server, args, tmp_path, caplog):
    (tmp_path / "nsmc").mkdir()
    (tmp_path / "nsmc" / "ratings_train.txt").write_text("my own", encoding="utf-8")
    caplog.set_level("INFO", "ratsnlp")
    nlpbook.download_downstream_dataset(args)
    assert (tmp_path / "nsmc" / "ratings_train.txt").read_text(encoding="utf-8") == "my own"
    assert f"cache file({tmp_path}/nsmc/ratings_train.txt) exists, using cache!" in caplog.text


def test_force_download_fetches_anew(server, args, tmp_path):
    (tmp_path / "nsmc").mkdir()
    (tmp_path / "nsmc" / "ratings_train.txt").write_text("old", encoding="utf-8")
    args.force_download = True
    nlpbook.download_downstream_dataset(args)
    assert (tmp_path / "nsmc" / "ratings_train.txt").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            {"status": 404},
            r"ratings_train\.txt could not be fetched from http://127.*HTTP Error 404.*Check the connection",
        ),
        ({"cut": True}, r"could not be fetched .*: .*(ended after|Incomplete|incomplete)"),
        ({"content": b"<html>login</html>"}, r"is not the published ratings_train\.txt: its sha256 is .*A login page"),
    ],
)
def test_a_wrong_file_never_takes_the_place_and_the_old_one_stays(server, args, tmp_path, fault, message):
    (tmp_path / "nsmc").mkdir()
    (tmp_path / "nsmc" / "ratings_train.txt").write_text("old", encoding="utf-8")
    args.force_download = True
    for name, value in fault.items():
        setattr(server, name, value)
    with pytest.raises(DownloadError, match=message):
        nlpbook.download_downstream_dataset(args)
    assert (tmp_path / "nsmc" / "ratings_train.txt").read_text(encoding="utf-8") == "old"
    assert not list((tmp_path / "nsmc").glob("*.part"))


def test_without_a_server_the_message_says_what_to_do(args, monkeypatch):
    monkeypatch.setenv(download.BASE_ADDRESS, "http://127.0.0.1:9")
    with pytest.raises(
        DownloadError, match=r"put the file at .*ratings_train\.txt by hand, or set RATSNLP_BASE_URL.*buil"
    ):
        nlpbook.download_downstream_dataset(args)


def test_a_corpus_outside_the_catalog_is_named():
    with pytest.raises(ArgumentError, match=r"not valid data name\(nscm\): the catalog holds nsmc"):
        nlpbook.download_downstream_dataset(TrainArguments(downstream_corpus_name="nscm"))


def test_a_builtin_corpus_needs_no_fetching(caplog):
    caplog.set_level("INFO", "ratsnlp")
    nlpbook.download_downstream_dataset(TrainArguments(downstream_corpus_name="builtin-nsmc"))
    assert "builtin-nsmc comes with the package, nothing to fetch" in caplog.text


def test_gits_name_of_a_file_is_known():
    # `printf hello | git hash-object --stdin`
    assert download.git_name(b"hello") == "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"


def test_the_catalog_is_pinned_and_has_digests():
    for corpus in catalog.CATALOG.values():
        for remote in corpus.files:
            kind, _, digest = remote.digest.partition(":")
            assert kind in download.DIGESTS
            assert len(digest) == {"sha256": 64, "git-sha1": 40}[kind]
            assert not {"master", "main"} & set(remote.address.split("/"))
