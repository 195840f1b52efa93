"""Images are imported, loaded, found and removed, by one process or several, and nothing half made is ever left."""

from __future__ import annotations

import gzip
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from image_tars import digest, file, overlay_view, symlink, tar, tree

from podrun.errors import PodrunError
from podrun.image import platforms
from podrun.image.images import ImportOptions
from podrun.image.references import InvalidImageName
from podrun.image.store import Images
from tests import images as recipes
from tests.wait import patient, wait_until

HERE = platforms.host_architecture()


def name_by_reason(value: object) -> str:
    """The contents are too long to name a test by."""
    return value if isinstance(value, str) else ""


@pytest.fixture
def images(tmp_path: Path) -> Images:
    return Images(tmp_path / "images")


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A small root filesystem."""
    root = tmp_path / "web-root"
    (root / "srv").mkdir(parents=True)
    (root / "srv/index.html").write_text("hello")
    return root


def skopeo(*arguments: str | Path) -> None:
    subprocess.run(["skopeo", "--insecure-policy", "copy", "--quiet", *arguments], check=True)


def leftovers(root: Path) -> list[str]:
    """What is in the images directory beside its fixed parts."""
    kept = {"oci-layout", "index.json", "work.lock", "index.lock", "staging", "blobs", "blobs/sha256", "layers"}
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if str(p.relative_to(root)) not in kept)


# -- import


def test_a_busybox_image_is_made_and_runs(images: Images, tmp_path: Path) -> None:
    image = recipes.import_busybox(images, tmp_path)
    assert image.names == ("docker.io/library/busybox:test",)
    assert image.config.cmd == ("sh",)
    run = 'chroot . /bin/sh -c "id -un; ls -ld /tmp | cut -c1-10; cat /etc/group | wc -l"'
    # A mount of one layer needs a second one: overlayfs without an upper directory wants at least two.
    (images.layers_directory / "empty").mkdir()
    seen = overlay_view(images.layers_directory, ["empty", *image.layers], run)
    assert seen.split() == ["root", "drwxrwxrwt", "3"]


def test_a_pods_name_for_a_local_image_finds_it(images: Images, web: Path) -> None:
    image = images.import_(
        web, "web:1", ImportOptions(cmd=("httpd", "-f"), env=("A=b",), user="33", working_dir="/srv")
    )
    for name in ("web:1", "docker.io/library/web:1", "docker.io/web:1", image.id, image.id[7:], f"web@{image.digest}"):
        assert images.find(name) == image
    for name in ("web", "web:2", "me/web:1", "sha256:" + "0" * 64, f"other@{image.digest}"):
        assert images.find(name) is None
    assert (image.config.cmd, image.config.env, image.config.user) == (("httpd", "-f"), ("A=b",), "33")
    assert image.config.working_dir == "/srv"
    with pytest.raises(InvalidImageName):
        images.find("Web:1")


def test_importing_a_directory_keeps_what_it_can_hold(images: Images, web: Path) -> None:
    os.link(web / "srv/index.html", web / "srv/same")
    os.symlink("/nowhere", web / "link")
    os.mkfifo(web / "fifo")
    os.setxattr(web / "srv/index.html", "user.note", b"\xff\x00x")
    (web / "srv").chmod(0o1770)
    os.chown(web / "srv", 70_000_000, 5)
    (web / ("name\n" + "x" * 200)).write_bytes(b"")
    os.utime(web / "srv/index.html", ns=(0, 1_500_000_000_000_000_000))
    web.chmod(0o700)
    image = images.import_(web, "web:1")
    layer = images.layers_directory / image.layers[0]
    assert tree(layer) == tree(web)
    assert os.path.samefile(layer / "srv/index.html", layer / "srv/same")
    assert os.getxattr(layer / "srv/index.html", "user.note") == b"\xff\x00x"
    assert (layer / "srv/index.html").stat().st_mtime == 1_500_000_000
    status = (layer / "srv").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o1770, 70_000_000, 5)
    # The workshop directory's own mode is no part of the image: in a container, everybody must get past the root.
    assert stat.S_IMODE(layer.stat().st_mode) == 0o755


def test_nobody_but_root_gets_into_the_images(images: Images, web: Path, tmp_path: Path) -> None:
    images.import_(web, "web:1")
    assert stat.S_IMODE((tmp_path / "images").stat().st_mode) == 0o700


@pytest.mark.parametrize("compress", ["none", "gzip", "zstd"])
def test_a_tar_is_imported_however_it_is_compressed(images: Images, tmp_path: Path, compress: str) -> None:
    content = tar(file("etc/motd", b"hello"), symlink("m", "etc/motd"))
    match compress:
        case "gzip":
            content = gzip.compress(content)
        case "zstd":
            content = subprocess.run(["zstd", "-c"], input=content, stdout=subprocess.PIPE, check=True).stdout
    (tmp_path / "root.tar").write_bytes(content)
    image = images.import_(tmp_path / "root.tar", "motd")
    assert (images.layers_directory / image.layers[0] / "etc/motd").read_text() == "hello"


def test_equal_roots_share_one_layer_and_names_move(images: Images, web: Path) -> None:
    first = images.import_(web, "web:1", ImportOptions(cmd=("a",)))
    second = images.import_(web, "web:1", ImportOptions(cmd=("b",)))
    assert first.layers == second.layers
    assert first.id != second.id
    assert images.find("web:1") == second
    # A container may still run from the first: it stays, without a name, until someone removes it.
    assert [image.names for image in images.list()] == [(), second.names]
    assert images.remove(first.id[7:19]).deleted == (first.id,)
    assert images.list() == (second,)
    assert (images.layers_directory / second.layers[0]).is_dir()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("web", b"no tar", 'cannot import image "web": '),
        ("web", b"BZh9xxxxxx", 'cannot import image "web": it is compressed with bzip2'),
        ("web", tar(file("../.wh.")), 'cannot import image "web": entry "../.wh.": a whiteout of nothing'),
        ("web", gzip.compress(tar(file("a")), mtime=0)[:-9], 'cannot import image "web": the gzip stream is cut off'),
        ("We b", tar(file("a")), "couldn't parse image name"),
        ("web@sha256:" + "a" * 64, tar(file("a")), "cannot name an image"),
    ],
    ids=name_by_reason,
)
def test_a_failed_import_says_why_and_leaves_nothing(
    images: Images, tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    (tmp_path / "tar").write_bytes(content)
    with pytest.raises(PodrunError) as caught:
        images.import_(tmp_path / "tar", name)
    assert caught.value.message.startswith(why)
    assert not (tmp_path / "images").exists() or leftovers(tmp_path / "images") == []
    assert images.list() == ()


def test_sources_and_options_that_make_no_image_are_refused(images: Images, web: Path, tmp_path: Path) -> None:
    with pytest.raises(PodrunError, match=f"no such file or directory: {tmp_path}/nothing"):
        images.import_(tmp_path / "nothing", "web")
    with pytest.raises(PodrunError, match="holds podrun's own images"):
        images.import_(tmp_path, "web")
    with pytest.raises(PodrunError, match="Env has 'A', which is not NAME=value"):
        images.import_(web, "web", ImportOptions(env=("A",)))
    with pytest.raises(PodrunError, match='working directory "srv" is not an absolute path'):
        images.import_(web, "web", ImportOptions(working_dir="srv"))
    (web / ".wh.x").touch()
    with pytest.raises(PodrunError, match="names must not begin with"):
        images.import_(web, "web")
    assert leftovers(tmp_path / "images") == []


# -- load


class Workshop:
    """An OCI layout made by hand, to be loaded or packed by skopeo."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries: list[dict[str, object]] = []
        (root / "blobs/sha256").mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, content: bytes, kind: str) -> dict[str, object]:
        (self.root / "blobs/sha256" / digest(content)[7:]).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest(content), "size": len(content)}

    def json(self, document: object, kind: str) -> dict[str, object]:
        return self.blob(json.dumps(document).encode(), kind)

    def image(self, *layers: bytes, architecture: str = HERE, cmd: str = "run") -> dict[str, object]:
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": [cmd]},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.json(config, "config.v1+json"),
            "layers": [self.blob(gzip.compress(layer, mtime=0), "layer.v1.tar+gzip") for layer in layers],
        }
        platform = {"architecture": architecture, "os": "linux"}
        return {**self.json(manifest, "manifest.v1+json"), "platform": platform}

    def name(self, descriptor: dict[str, object], name: str | None) -> None:
        annotations = {"org.opencontainers.image.ref.name": name} if name else {}
        self.entries.append({**descriptor, "annotations": annotations})
        (self.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.entries}))


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "workshop")


LOW = tar(file("a", b"low"), file("gone", b"low"), file("dir/low"))
HIGH = tar(file("a", b"high"), file(".wh.gone"), file("dir/high"))
VIEW = ["./a", "./dir/high", "./dir/low"]


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci directory"])
def test_what_skopeo_writes_is_loaded(images: Images, workshop: Workshop, tmp_path: Path, form: str) -> None:
    workshop.name(workshop.image(LOW, HIGH), "web:1")
    target = tmp_path / "archive"
    match form:
        case "docker-archive":
            extra = "--additional-tag=registry.example/me/web:2"
            skopeo(extra, f"oci:{workshop.root}:web:1", f"docker-archive:{target}:web:1")
        case "oci-archive":
            skopeo(f"oci:{workshop.root}:web:1", f"oci-archive:{target}:web:1")
        case _:
            skopeo(f"oci:{workshop.root}:web:1", f"oci:{target}:web:1")
    [image] = images.load(target)
    assert image == images.find("web:1")
    assert images.find("registry.example/me/web:2") == (image if form == "docker-archive" else None)
    assert image.config.cmd == ("run",)
    assert overlay_view(images.layers_directory, image.layers, "find . -type f | sort").split() == VIEW
    assert overlay_view(images.layers_directory, image.layers, "cat a") == "high"
    assert images.load(target) == [image]
    assert len(images.list()) == 1


def test_a_compressed_archive_with_several_images_is_loaded(images: Images, workshop: Workshop, tmp_path: Path) -> None:
    workshop.name(workshop.image(LOW, cmd="one"), "one:1")
    workshop.name(workshop.image(LOW, HIGH, cmd="two"), "localhost:5000/two:2")
    subprocess.run(["tar", "-C", workshop.root, "-czf", tmp_path / "archive", "."], check=True)
    loaded = images.load(tmp_path / "archive")
    assert [image.names for image in loaded] == [("docker.io/library/one:1",), ("localhost:5000/two:2",)]
    assert images.list() == tuple(loaded)
    assert loaded[1].layers[1:] == loaded[0].layers


def test_an_archive_is_loaded_whole_or_not_at_all(images: Images, workshop: Workshop, tmp_path: Path) -> None:
    workshop.name(workshop.image(LOW), "good:1")
    workshop.name(workshop.image(tar(file("a/.wh."))), "bad:1")
    with pytest.raises(PodrunError, match="a whiteout of nothing"):
        images.load(workshop.root)
    assert images.list() == ()
    assert leftovers(tmp_path / "images") == []


def test_an_archive_without_a_name_gets_one_or_goes_by_its_id(images: Images, workshop: Workshop) -> None:
    workshop.name(workshop.image(LOW), "latest")
    [image] = images.load(workshop.root)
    assert image.names == ()
    assert images.find(image.id) == image
    [named] = images.load(workshop.root, "mine")
    assert named.names == ("docker.io/library/mine:latest",)
    assert images.list() == (named,)


def test_the_image_for_this_machine_is_chosen_and_another_ones_refused(images: Images, workshop: Workshop) -> None:
    foreign, ours = workshop.image(LOW, architecture="s390x"), workshop.image(HIGH)
    unknown = {**workshop.json({}, "manifest.v1+json"), "platform": {"architecture": "unknown", "os": "unknown"}}
    index = {"schemaVersion": 2, "manifests": [foreign, unknown, ours]}
    workshop.name(workshop.json(index, "index.v1+json"), "web:1")
    [image] = images.load(workshop.root)
    assert image.digest == ours["digest"]

    for other in (foreign, workshop.json({"schemaVersion": 2, "manifests": [foreign, unknown]}, "index.v1+json")):
        workshop.entries.clear()
        workshop.name(other, "web:2")
        with pytest.raises(PodrunError, match="it is made for linux/s390x and this machine is linux/" + HERE):
            images.load(workshop.root)
    assert images.list() == (image,)


def test_every_digest_is_checked(images: Images, workshop: Workshop, tmp_path: Path) -> None:
    image = workshop.image(LOW)
    workshop.name(image, "web:1")
    for blob in (workshop.root / "blobs/sha256").iterdir():
        content = blob.read_bytes()
        for changed in (content[:-1] + bytes([content[-1] ^ 1]), content + b"\0"):
            blob.write_bytes(changed)
            with pytest.raises(PodrunError, match=f"blob sha256:{blob.name} is damaged"):
                images.load(workshop.root)
        blob.unlink()
        with pytest.raises(PodrunError, match=f"blob sha256:{blob.name} is missing"):
            images.load(workshop.root)
        blob.write_bytes(content)
    assert leftovers(tmp_path / "images") == []
    assert len(images.load(workshop.root)) == 1


def test_a_layer_that_is_not_the_one_of_its_config_is_refused(
    images: Images, workshop: Workshop, tmp_path: Path
) -> None:
    """The blob's digest is right; what comes out of it is another layer."""
    good = workshop.image(LOW)
    manifest = json.loads((workshop.root / "blobs/sha256" / str(good["digest"])[7:]).read_text())
    manifest["layers"] = [workshop.blob(gzip.compress(HIGH), "layer.v1.tar+gzip")]
    workshop.name(workshop.json(manifest, "manifest.v1+json"), "web:1")
    with pytest.raises(PodrunError, match="a layer is damaged: its digest is"):
        images.load(workshop.root)
    manifest["layers"] *= 2
    workshop.entries.clear()
    workshop.name(workshop.json(manifest, "manifest.v1+json"), "web:1")
    with pytest.raises(PodrunError, match="its manifest has 2 layers and its config 1"):
        images.load(workshop.root)
    assert leftovers(tmp_path / "images") == []


def docker_archive(config: str, *layers: str) -> tuple[tarfile.TarInfo, bytes]:
    return file("manifest.json", json.dumps([{"Config": config, "RepoTags": ["web:1"], "Layers": layers}]).encode())


CONFIG = file("config.json", json.dumps({"rootfs": {"diff_ids": [digest(LOW)]}}).encode())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (tar(file("etc/motd")), "neither a docker archive nor an OCI one"),
        (b"", "neither a docker archive nor an OCI one"),
        (b"x" * 2000, "not a tar archive"),
        (
            tar(docker_archive("../../../../etc/passwd", "a")),
            'it names "../../../../etc/passwd", which it does not hold',
        ),
        (tar(docker_archive("/etc/passwd", "a")), 'it names "/etc/passwd", which it does not hold'),
        (tar(symlink("c", "/etc/passwd"), docker_archive("c", "a")), 'it names "c", which it does not hold'),
        (tar(symlink("c", "c"), docker_archive("c", "a")), 'it names "c", which it does not hold'),
        (tar(CONFIG, docker_archive("config.json", "gone")), 'it names "gone", which it does not hold'),
        (tar(CONFIG, docker_archive("config.json")), "its manifest has 0 layers and its config 1"),
        (tar(file("manifest.json", b"[{")), "bad manifest.json"),
        (tar(file("manifest.json", b'[{"Config": 1}]')), "bad manifest.json"),
        (tar(file("manifest.json", b" " * (5 << 20))), "longer than the"),
        (tar(file("index.json", b'{"manifests":[{"digest":"sha256:../../x","size":1}]}')), "is no sha256 digest"),
    ],
    ids=name_by_reason,
)
def test_a_hostile_archive_is_refused_and_leaves_nothing(
    images: Images, tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(PodrunError) as caught:
        images.load(tmp_path / "archive")
    assert caught.value.message.startswith(f'cannot load "{tmp_path}/archive": ')
    assert why in caught.value.message
    assert leftovers(tmp_path / "images") == []


def test_links_inside_an_archive_are_followed_as_docker_writes_them(images: Images, tmp_path: Path) -> None:
    archive = tar(CONFIG, file("one/layer.tar", LOW), symlink("two/layer.tar", "../one/layer.tar"))
    described = tar(docker_archive("config.json", "two/layer.tar"))
    (tmp_path / "archive").write_bytes(archive.rstrip(b"\0") + bytes(-len(archive.rstrip(b"\0")) % 512) + described)
    [image] = images.load(tmp_path / "archive")
    assert image.names == ("docker.io/library/web:1",)


def test_a_layout_directory_with_links_out_of_it_is_not_followed(images: Images, workshop: Workshop) -> None:
    workshop.name(workshop.image(LOW), "web:1")
    (workshop.root / "index.json").rename(workshop.root.parent / "index.json")
    (workshop.root / "index.json").symlink_to("../index.json")
    with pytest.raises(PodrunError):
        images.load(workshop.root)


# -- remove


def test_an_image_goes_with_its_last_name(images: Images, workshop: Workshop, tmp_path: Path) -> None:
    descriptor = workshop.image(LOW, HIGH)
    workshop.name(descriptor, "web:1")
    workshop.name(descriptor, "web:2")
    workshop.name(workshop.image(LOW, cmd="base"), "base:1")
    web, base = images.load(workshop.root)
    assert web.names == ("docker.io/library/web:1", "docker.io/library/web:2")
    removal = images.remove("web:1")
    assert (removal.untagged, removal.deleted) == (("docker.io/library/web:1",), ())
    assert images.find("web:1") is None
    assert images.find("web:2") is not None
    removal = images.remove("web:2")
    assert (removal.untagged, removal.deleted) == (("docker.io/library/web:2",), (web.id,))
    assert images.list() == (base,)
    assert sorted(os.listdir(images.layers_directory)) == [base.layers[0], f"{base.layers[0]}.chain"]
    images.remove(base.id)
    assert leftovers(tmp_path / "images") == []


def test_an_image_in_use_stays(images: Images, web: Path) -> None:
    image = images.import_(web, "web:1")
    for text in ("web:1", image.id, image.id[7:15], f"web@{image.digest}"):
        with pytest.raises(PodrunError) as caught:
            images.remove(text, users=lambda used: ["default/a/web"] if used.id == image.id else [])
        assert caught.value.message == f'cannot remove image "{text}": it is in use by default/a/web'
    assert images.list() == (image,)


def test_removing_what_is_not_there_says_so(images: Images, web: Path) -> None:
    for text in ("web:1", "We b", "abcd", "sha256:" + "a" * 64):
        with pytest.raises(PodrunError) as caught:
            images.remove(text)
        assert caught.value.message == f'cannot remove image "{text}": no such image'


# -- several processes, damage, full disks

IMPORTER = """
import sys
from pathlib import Path
from podrun.image.store import Images
images = Images(Path(sys.argv[1]))
for name in sys.argv[3:]:
    images.import_(Path(sys.argv[2]), name)
"""


def start_import(images_root: Path, source: Path, *names: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", IMPORTER, images_root, source, *names])


def test_several_processes_import_at_once(images: Images, tmp_path: Path, web: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "x").write_text("other")
    names = [[f"{letter}:{number}" for number in range(5)] for letter in "abcd"]
    running = [
        start_import(tmp_path / "images", source, *mine)
        for source, mine in zip((web, web, other, other), names, strict=True)
    ]
    assert [process.wait(timeout=patient(120)) for process in running] == [0, 0, 0, 0]
    for name in (name for mine in names for name in mine):
        assert images.find(name) is not None
    assert len({image.layers for image in images.list()}) == 2
    assert len([p for p in images.layers_directory.iterdir() if p.is_dir()]) == 2
    assert os.listdir(tmp_path / "images/staging") == []


def test_an_import_and_removals_do_not_harm_each_other(images: Images, tmp_path: Path, web: Path) -> None:
    running = start_import(tmp_path / "images", web, *(f"a:{number}" for number in range(20)))
    while running.poll() is None:
        images.import_(web, "b:1")
        images.remove("b:1")
    assert running.wait() == 0
    for number in range(20):
        image = images.find(f"a:{number}")
        assert image is not None
        assert (images.layers_directory / image.layers[0] / "srv/index.html").read_text() == "hello"


def test_what_a_killed_import_left_is_swept(images: Images, tmp_path: Path, web: Path) -> None:
    with (web / "large").open("wb") as large:
        large.write(os.urandom(1 << 20) * 200)
    image = images.import_(tmp_path / "web-root" / "srv", "small:1")
    running = start_import(tmp_path / "images", web, "web:1")
    staging = tmp_path / "images/staging"
    wait_until(lambda: any(staging.iterdir()), "the import to begin", 60)
    running.send_signal(signal.SIGKILL)
    running.wait()
    images.sweep()
    assert images.list() == (image,)
    assert os.listdir(staging) == []
    assert len(os.listdir(tmp_path / "images/blobs/sha256")) == 3


def test_a_lookup_sees_what_another_process_did(images: Images, web: Path, tmp_path: Path) -> None:
    assert images.find("web:1") is None
    Images(tmp_path / "images").import_(web, "web:1")
    assert images.find("web:1") is not None
    Images(tmp_path / "images").remove("web:1")
    assert images.find("web:1") is None


def test_a_damaged_image_harms_no_other_and_comes_back_by_import(images: Images, web: Path, tmp_path: Path) -> None:
    damaged = images.import_(web, "web:1")
    whole = images.import_(web / "srv", "whole:1")
    (tmp_path / "images/blobs/sha256" / damaged.id[7:]).write_bytes(b"{}")
    fresh = Images(tmp_path / "images")
    assert fresh.list() == (whole,)
    with pytest.raises(PodrunError, match=f'cannot use image "web:1": blob {damaged.id} is damaged'):
        fresh.find("web:1")
    fresh.import_(web, "web:1")
    assert fresh.find("web:1") is not None
    subprocess.run(["rm", "-rf", images.layers_directory / whole.layers[0]], check=True)
    fresh = Images(tmp_path / "images")
    with pytest.raises(PodrunError, match="one of its unpacked layers is missing"):
        fresh.find("whole:1")
    assert fresh.remove("whole:1").untagged == whole.names
    assert fresh.find("whole:1") is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """4 MiB, 200 files."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=200", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("what", ["blob", "layer", "inodes"])
def test_a_full_disk_is_said_and_leaves_no_half_image(small_disk: Path, tmp_path: Path, web: Path, what: str) -> None:
    images = Images(small_disk / "images")
    image = images.import_(web, "web:1")
    before = leftovers(small_disk / "images")
    members = {
        "blob": [file("large", os.urandom(5 << 20))],
        "layer": [file("large", os.urandom(3 << 20))],  # the blob fits, and not once more unpacked
        "inodes": [file(f"f{number}", b"") for number in range(300)],
    }
    (tmp_path / "root.tar").write_bytes(tar(*members[what]))
    with pytest.raises(PodrunError) as caught:
        images.import_(tmp_path / "root.tar", "large:1")
    assert caught.value.message.startswith('cannot import image "large:1": no space left on device')
    assert str(small_disk) in (caught.value.hint or "")
    assert leftovers(small_disk / "images") == before
    assert images.list() == (image,)
