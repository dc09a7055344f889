"""Image layers: reproducible, root's, with the capability that CoreDNS needs to listen on port 53 as nobody."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile

import pytest
from labsoftware.cache import Cache
from labsoftware.images import Image, image_product, tag_link, write_layer


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "coredns"
    path.write_bytes(b"\x7fELF")
    path.chmod(0o700)
    return path


def members(layer):
    return tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer.read_bytes())))


def test_layer_has_files_links_and_the_folders_above_them(tmp_path, program):
    write_layer(tmp_path / "l.tar.gz", {"/usr/local/bin/coredns": program}, {"/bin/sh": "busybox"})
    with members(tmp_path / "l.tar.gz") as tar:
        assert [m.name for m in tar if m.isdir()] == ["bin", "usr", "usr/local", "usr/local/bin"]
        assert tar.getmember("bin/sh").linkname == "busybox"
        file = tar.getmember("usr/local/bin/coredns")
        assert (file.uid, file.gid, file.mode, file.mtime) == (0, 0, 0o755, 0)
        assert tar.extractfile(file).read() == b"\x7fELF"


def test_layer_is_the_same_every_time(tmp_path, program):
    write_layer(tmp_path / "a.tar.gz", {"/coredns": program}, {}, {"/coredns": "net_bind_service"})
    program.touch()
    write_layer(tmp_path / "b.tar.gz", {"/coredns": program}, {}, {"/coredns": "net_bind_service"})
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()


def test_capability_is_what_setcap_writes(tmp_path, program):
    """struct vfs_cap_data: revision 2 with the effective bit, CAP_NET_BIND_SERVICE (10) permitted, the rest zero."""
    write_layer(tmp_path / "l.tar.gz", {"/coredns": program}, {}, {"/coredns": "net_bind_service"})
    with members(tmp_path / "l.tar.gz") as tar:
        value = tar.getmember("coredns").pax_headers["SCHILY.xattr.security.capability"].encode()
    assert value == struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


def test_an_image_that_left_the_registry_is_built_again(tmp_path):
    cache, folder = Cache(tmp_path), tmp_path / "artifact"
    folder.mkdir()
    (folder / "reference").write_text("registry.k8s.io/pause:3.10.2\n")
    (folder / "digest").write_text("sha256:1\n")
    published = image_product(Image(name="i", reference="registry.k8s.io/pause:3.10.2", programs={})).published
    assert not published(cache, folder)
    link = tag_link(cache.registry, "registry.k8s.io/pause:3.10.2")
    link.parent.mkdir(parents=True)
    link.write_text("sha256:1")
    assert published(cache, folder)
    link.write_text("sha256:2")
    assert not published(cache, folder)
