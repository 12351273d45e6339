"""Archives by Python's own tarfile and zipfile: good ones in every form that they write, and bad ones of every kind. Writes each into the
folder that it is started in, and prints what should become of it, a JSON object a line: file, media type, status, and what is said."""

import io
import json
import struct
import tarfile
import zipfile
import zlib

MANIFEST = b'description = "A test."\n'
LONG = "/".join(["a-rather-long-folder-name-" * 4] * 3) + "/" + "file-name-" * 9 + ".txt"
TAR, ZIP, ANY = "application/x-tar", "application/zip", "application/octet-stream"


def expect(name, media_type, status, says="", files=None):
    print(json.dumps({"file": name, "media_type": media_type, "status": status, "says": says, "files": files}))


def entry(path, content=b"x", **fields):
    info = tarfile.TarInfo(path)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, io.BytesIO(content)


def tar(name, *entries, status=422, says="", files=None, media_type=TAR, format=tarfile.PAX_FORMAT, manifest=MANIFEST, before="", **how):
    with tarfile.open(name, "w", format=format, **how) as archive:
        if manifest is not None:
            archive.addfile(*entry(before + "bundle.toml", manifest))
        for one in entries:
            archive.addfile(*one)
    expect(name, media_type, status, says, files)


def link(path, target, kind):
    info, content = entry(path, b"", type=kind, linkname=target)
    return info, content


# What is fine.
for word, format in (("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
    short = entry("src/index.html", b"<p>" + word.encode())
    tar(f"{word}.tar", short, status=201, format=format, files=["src/index.html"])
    if word != "ustar":
        tar(f"{word}-long.tar", entry(LONG), entry("ä/ö.txt"), status=201, format=format, files=[LONG, "ä/ö.txt"])
tar("global.tar", entry("a"), status=201, files=["a"], pax_headers={"comment": "of everything"})
tar("unfolded.tar", entry("top/a"), entry("top/b/c"), before="top/", status=201, files=["a", "b/c"])
tar("sniffed.tar", entry("a"), status=201, files=["a"], media_type=ANY)
for word, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
    with zipfile.ZipFile(f"{word}.zip", "w", method) as archive:
        archive.writestr("bundle.toml", MANIFEST)
        archive.mkdir("src")
        archive.writestr("src/ö.txt", b"x" * 100_000)
        with archive.open("src/zip64.txt", "w", force_zip64=True) as file:
            file.write(b"of a size that the header has in 64 bits")
    expect(f"{word}.zip", ZIP, 201, files=["src/zip64.txt", "src/ö.txt"])


class Pipe(io.RawIOBase):
    """What cannot be gone back in, so that sizes come behind the contents."""

    def __init__(self):
        self.written = b""

    def writable(self):
        return True

    def write(self, data):
        self.written += bytes(data)
        return len(data)


pipe = Pipe()
with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("bundle.toml", MANIFEST)
    archive.writestr("a", b"a")
open("streamed.zip", "wb").write(pipe.written)
expect("streamed.zip", ANY, 201, files=["a"])

# Paths.
for number, (path, says) in enumerate([
    ("../a", "leads out of its folder by .."), ("a/../../b", "leads out of its folder by .."), ("/etc/passwd", "is absolute"),
    ("a\\..\\b", "has a backslash"), ("C:/a", "a drive's letter"), ("a//b", "an empty segment"), ("a/./b", "an empty segment or a dot"),
    ("a\nb", "a control character"), ("x" * 201, "longer than 200 bytes"), ("/".join(["y" * 100] * 10), "longer than 900 bytes"), ("a/" * 32 + "b", "deeper than 32"),
]):
    tar(f"path-{number}.tar", entry(path), says=says)
    with zipfile.ZipFile(f"path-{number}.zip", "w") as archive:
        archive.writestr("bundle.toml", MANIFEST)
        info = zipfile.ZipInfo("x")
        info.filename = path
        archive.writestr(info, b"x")
    expect(f"path-{number}.zip", ZIP, 422, says)
tar("nul.tar", entry("b", pax_headers={"path": "a\0b"}), says="has a NUL")
tar("latin.tar", entry("\udce4"), format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape", says="is not UTF-8")
tar("twice.tar", entry("a"), entry("a"), says='"a" is there twice')
tar("both.tar", entry("a"), entry("a/b"), says='"a" is a file and a folder at once')
tar("case.tar", entry("Readme"), entry("README"), says="differ in case only")
tar("case-folder.tar", entry("src/a"), entry("Src/b"), says="differ in case only")
with zipfile.ZipFile("twice.zip", "w") as archive:
    archive.writestr("bundle.toml", MANIFEST)
    archive.writestr("a", b"1")
    archive.writestr("a", b"2")
expect("twice.zip", ZIP, 422, '"a" is there twice')

# Links, and what is neither file nor folder.
tar("link-out.tar", link("a", "../../etc/passwd", tarfile.SYMTYPE), says='"a" is a symbolic link')
tar("link-in.tar", entry("b"), link("a", "b", tarfile.SYMTYPE), says='"a" is a symbolic link')
tar("link-hard.tar", link("a", "/etc/passwd", tarfile.LNKTYPE), says='"a" is a hard link')
tar("device.tar", link("a", "", tarfile.CHRTYPE), says='"a" is a device')
tar("block.tar", link("a", "", tarfile.BLKTYPE), says='"a" is a device')
tar("pipe.tar", link("a", "", tarfile.FIFOTYPE), says='"a" is a pipe')
tar("sparse.tar", entry("a", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}), says='"a" is a sparse file')
with zipfile.ZipFile("link.zip", "w") as archive:
    archive.writestr("bundle.toml", MANIFEST)
    info = zipfile.ZipInfo("a")
    info.external_attr = 0o120777 << 16
    archive.writestr(info, "../../etc/passwd")
expect("link.zip", ZIP, 422, '"a" is a symbolic link')

# Sizes.
tar("many.tar", *[entry(f"f{number}", b"") for number in range(2_001)], says="more than the 2000 files")
tar("large.tar", entry("a", bytes(16 * 1024 * 1024 + 1)), says='"a" is larger than the 16777216 bytes')
with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("bundle.toml", MANIFEST)
    for number in range(16):
        archive.writestr(f"zeros-{number}", bytes(16 * 1024 * 1024))
expect("bomb.zip", ZIP, 422, "more than the 67108864 bytes allowed, unpacked")
with zipfile.ZipFile("giant.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("bundle.toml", MANIFEST)
    with archive.open("zeros", "w", force_zip64=True) as file:
        for _ in range(512):
            file.write(bytes(1024 * 1024))
expect("giant.zip", ZIP, 422, '"zeros" is larger than the 16777216 bytes')
# The same with a lie about the size, in both of its headers.
lying = open("giant.zip", "rb").read()
open("lying.zip", "wb").write(lying.replace(struct.pack("<Q", 512 * 1024 * 1024), struct.pack("<Q", 1)).replace(
    struct.pack("<I", 512 * 1024 * 1024), struct.pack("<I", 1)))
expect("lying.zip", ZIP, 422, "zeros")
# A directory of many entries that lead to one and the same.
with zipfile.ZipFile("directory.zip", "w") as archive:
    archive.writestr("bundle.toml", MANIFEST)
    for number in range(60_000):
        archive.writestr(f"d{number}", b"")
expect("directory.zip", ZIP, 422, "more than the 2000 files")

# What is no archive, or not the one that it is said to be.
open("short.tar", "wb").write(open("large.tar", "rb").read()[:1_000_000])
expect("short.tar", TAR, 422, '"a" is larger')
open("text.tar", "wb").write(b"hello")
expect("text.tar", TAR, 422, "")
expect("stored.zip", TAR, 422, "announced as tar, but it is zip")
open("empty.tar", "wb").write(b"")
expect("empty.tar", ANY, 422, "neither a tar, a tar.zst nor a zip")
with tarfile.open("packed.tar.gz", "w:gz") as archive:
    archive.addfile(*entry("bundle.toml", MANIFEST))
expect("packed.tar.gz", ANY, 422, "gzip")
cut = open("deflated.zip", "rb").read()
open("cut.zip", "wb").write(cut[:len(cut) // 2])
expect("cut.zip", ZIP, 422, "cannot be read to its end")
# At an end of an entry, where nothing else is missing than the end.
open("cut-clean.tar", "wb").write(open("sniffed.tar", "rb").read()[:1024])
expect("cut-clean.tar", TAR, 422, "has no end")
crc = bytearray(open("stored.zip", "rb").read())
crc[crc.index(b"x" * 100) + 7] ^= 1
open("crc.zip", "wb").write(crc)
expect("crc.zip", ZIP, 422, '"src/ö.txt" cannot be read to its end')

# Manifests.
tar("none.tar", entry("a"), manifest=None, says="neither bundle.toml nor bundle.json")
tar("two.tar", entry("bundle.json", b"{}"), says="both bundle.toml and bundle.json")
for number, (manifest, says) in enumerate([
    (b"name = ", "the manifest cannot be read"), (b"\xff", "is not UTF-8"), (b'name = "other"', "/name"), (b'version = "9.0.0"', "/version"),
    (b'role = "template"', "/role"), (b"colour = 1", "unknown field `colour`"), (b"files = []", "/files"),
    (b'[requires]\nsearch = "one"', "/requires/search"), (b'[requires]\n"../x" = "*"', "is no bundle's name"),
    (b'[conflicts]\nsubject = "*"', "goes with itself"), (b'extension_points = ["a"]', "only a template has extension_points"),
    (b'render = ["gone.html"]', "none of the bundle's files fits it"), (b'overrides = ["../a"]', "leads out of its folder"),
    (b'executable = 1', "/executable"), (b'description = "' + b"x" * 1_001 + b'"', "/description"),
    (b'[[commands]]\nname = "a"\nrun = []', "/commands/0/run"), (b'[[commands]]\nname = "a"\nrun = ["a"]\ntimeout_s = 0', "/commands/0/timeout_s"),
    (b'[[commands]]\nname = "a"\nrun = ["a"]\n[commands.env]\n"A=B" = ""', "/commands/0/env"), (b'[[outputs]]\npath = "/etc/*"', "is absolute"),
    (b'[settings]\ntype = "array"', "/settings/type"), (b'[settings]\ntype = "object"\n[settings.properties.a]\ntype = "string"', "has no default"),
    (b'[settings]\ntype = "object"\n[settings.properties.a]\ntype = "string"\ndefault = 1', "the defaults break the schema"),
    (b'[settings]\ntype = "object"\n[settings.properties.a]\n"$ref" = "http://127.0.0.1/x"\ndefault = 1', "is no place in it"),
    (b'[settings]\ntype = "object"\n[settings.properties.a]\n"$ref" = "#/$defs/x0"\ndefault = 1\n' + b"".join(
        b'[settings."$defs".x%d]\nallOf = [{ "$ref" = "#/$defs/x%d" }, { "$ref" = "#/$defs/x%d" }]\n' % (n, n + 1, n + 1) for n in range(25))
        + b'[settings."$defs".x25]\ntype = "integer"\n', "more than the 10000 values"),
    (b"a = [" * 5_000, "the manifest cannot be read"), (b"#" * 131_073, "of the 131072 allowed"),
]):
    tar(f"manifest-{number}.tar", entry("a"), manifest=manifest, says=says)
tar("deep.tar", entry("bundle.json", b"[" * 100_000), manifest=None, says="the manifest cannot be read")
