"""The two compressions of ClickHouse's HTTP interface: content encodings, and its native blocks (`compress=1`).

A native block is a CityHash128 (version 1.0.2) of what follows, a method byte, the sizes compressed (with this 9-byte
header) and uncompressed as little-endian 32 bits, then the data.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import Final

# Neither package has type stubs.
import lz4.block  # type: ignore[import-untyped]
import lz4.frame  # type: ignore[import-untyped]
from clickhouse_cityhash.cityhash import CityHash128  # type: ignore[import-untyped]

from services.embedded.clickhouse.errors import Code, QueryError

_CHECKSUM: Final = struct.Struct("<QQ")
_HEADER: Final = struct.Struct("<BII")
_METHOD_NONE: Final = 0x02
_METHOD_LZ4: Final = 0x82
_BLOCK_BYTES: Final = 1 << 20
_GZIP_WINDOW: Final = 31


def decode_content(data: bytes, encoding: str, limit: int) -> bytes:
    """Undo a Content-Encoding of gzip or lz4; raises QueryError for others, broken data and more than `limit` bytes."""
    if encoding in ("", "identity"):
        return data
    try:
        if encoding == "gzip":
            decoder = zlib.decompressobj(_GZIP_WINDOW)
            decoded, complete = decoder.decompress(data, limit + 1), decoder.eof
        elif encoding == "lz4":
            frame = lz4.frame.LZ4FrameDecompressor()
            decoded, complete = frame.decompress(data, limit + 1), frame.eof
        else:
            raise QueryError(
                Code.UNKNOWN_COMPRESSION_METHOD, f"Content-Encoding {encoding} is not supported: use gzip or lz4"
            )
    except (zlib.error, RuntimeError) as error:
        raise QueryError(Code.CANNOT_DECOMPRESS, f"The body is not {encoding}: {error}") from error
    if len(decoded) > limit:
        raise too_large(limit)
    if not complete:
        raise QueryError(Code.CANNOT_DECOMPRESS, f"The {encoding} body is cut short")
    return decoded


def encode_content(data: bytes, accepted: str) -> tuple[bytes, str]:
    """The data in the first of lz4 and gzip that the Accept-Encoding header names, and that name ("" for neither)."""
    names = {part.split(";")[0].strip() for part in accepted.lower().split(",")}
    if "lz4" in names:
        return lz4.frame.compress(data), "lz4"
    if "gzip" in names:
        return gzip.compress(data, compresslevel=1), "gzip"
    return data, ""


def compress_native(data: bytes) -> bytes:
    """The data as native LZ4 blocks of up to 1 MiB."""
    blocks = []
    for start in range(0, len(data), _BLOCK_BYTES):
        raw = data[start : start + _BLOCK_BYTES]
        packed = lz4.block.compress(raw, store_size=False)
        body = _HEADER.pack(_METHOD_LZ4, len(packed) + _HEADER.size, len(raw)) + packed
        blocks += [_checksum(body), body]
    return b"".join(blocks)


def decompress_native(data: bytes, limit: int) -> bytes:
    """The content of native blocks; raises QueryError for a wrong checksum, cut data or more than `limit` bytes."""
    blocks: list[bytes] = []
    position, size = 0, 0
    while position < len(data):
        start = position + _CHECKSUM.size
        if start + _HEADER.size > len(data):
            raise QueryError(Code.CANNOT_DECOMPRESS, "The compressed body is cut short")
        method, packed_size, raw_size = _HEADER.unpack_from(data, start)
        end = start + packed_size
        if packed_size < _HEADER.size or end > len(data):
            raise QueryError(Code.CANNOT_DECOMPRESS, "The compressed body is cut short")
        size += raw_size
        if size > limit:
            raise too_large(limit)
        body = data[start:end]
        if _checksum(body) != data[position:start]:
            raise QueryError(Code.CHECKSUM_DOESNT_MATCH, "Checksum doesn't match: corrupted data")
        blocks.append(_unpack(method, body[_HEADER.size :], raw_size))
        position = end
    return b"".join(blocks)


def too_large(limit: int) -> QueryError:
    """The error of a body over the limit."""
    return QueryError(Code.TOO_MANY_BYTES, f"The body is larger than {limit} bytes: send it in smaller parts")


def _unpack(method: int, packed: bytes, raw_size: int) -> bytes:
    if method == _METHOD_NONE:
        return packed
    if method != _METHOD_LZ4:
        raise QueryError(Code.UNKNOWN_COMPRESSION_METHOD, f"Unknown compression method {method:#x}: use LZ4")
    try:
        unpacked: bytes = lz4.block.decompress(packed, uncompressed_size=raw_size)
    except lz4.block.LZ4BlockError as error:
        raise QueryError(Code.CANNOT_DECOMPRESS, f"Cannot decompress: {error}") from error
    return unpacked


def _checksum(body: bytes) -> bytes:
    digest: int = CityHash128(body)
    return _CHECKSUM.pack(digest >> 64, digest & (1 << 64) - 1)
