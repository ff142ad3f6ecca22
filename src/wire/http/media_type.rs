//! Media types by the endings of names.

/// What is sent for a name without a known ending: browsers save it.
const UNKNOWN: &str = "application/octet-stream";

/// The media type of a file by the ending of its name; texts are said to be UTF-8.
pub fn media_type(name: &str) -> &'static str {
    // The longest ending in the tables has 11 characters.
    let ending = match name.rsplit_once('.') {
        Some((_, ending)) if ending.len() <= 11 => ending.to_ascii_lowercase(),
        _ => return UNKNOWN,
    };
    let tables = [text, image, video, audio, application, archive, font];
    tables.iter().find_map(|table| table(&ending)).unwrap_or(UNKNOWN)
}

fn text(ending: &str) -> Option<&'static str> {
    Some(match ending {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "txt" | "text" | "log" | "conf" | "cfg" | "ini" | "nls" | "toml" | "diff" | "patch" | "sha256"
        | "b3" | "rs" | "py" | "c" | "h" | "cc" | "cpp" | "hpp" | "go" | "java" | "sh" | "lua" | "srt" => {
            "text/plain; charset=utf-8"
        }
        "md" | "markdown" => "text/markdown; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "tsv" => "text/tab-separated-values; charset=utf-8",
        "xml" | "xsl" => "text/xml; charset=utf-8",
        "vtt" => "text/vtt; charset=utf-8",
        "ics" => "text/calendar; charset=utf-8",
        "vcf" => "text/vcard; charset=utf-8",
        "yaml" | "yml" => "application/yaml; charset=utf-8",
        _ => return None,
    })
}

fn image(ending: &str) -> Option<&'static str> {
    Some(match ending {
        "png" => "image/png",
        "apng" => "image/apng",
        "jpg" | "jpeg" | "jpe" | "jfif" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml; charset=utf-8",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "jxl" => "image/jxl",
        "bmp" => "image/bmp",
        "ico" => "image/vnd.microsoft.icon",
        "tif" | "tiff" => "image/tiff",
        "psd" => "image/vnd.adobe.photoshop",
        _ => return None,
    })
}

fn video(ending: &str) -> Option<&'static str> {
    Some(match ending {
        "mp4" | "m4v" => "video/mp4",
        "3gp" => "video/3gpp",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "ts" | "m2ts" | "mts" => "video/mp2t",
        "mpg" | "mpeg" | "vob" | "m1v" | "m2v" => "video/mpeg",
        "wmv" => "video/x-ms-wmv",
        "avi" => "video/x-msvideo",
        "flv" => "video/x-flv",
        "ogv" => "video/ogg",
        _ => return None,
    })
}

fn audio(ending: &str) -> Option<&'static str> {
    Some(match ending {
        "m4a" | "m4b" => "audio/mp4",
        "mp3" | "mp2" | "mp1" => "audio/mpeg",
        "aac" => "audio/aac",
        "ac3" => "audio/ac3",
        "aif" | "aiff" | "aifc" => "audio/aiff",
        "au" => "audio/basic",
        "caf" => "audio/x-caf",
        "wma" => "audio/x-ms-wma",
        "weba" => "audio/webm",
        "mka" => "audio/x-matroska",
        "mid" | "midi" => "audio/midi",
        "opus" | "oga" | "spx" => "audio/ogg",
        "ogg" | "ogx" => "application/ogg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "m3u" => "audio/x-mpegurl",
        _ => return None,
    })
}

fn application(ending: &str) -> Option<&'static str> {
    Some(match ending {
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "xhtml" => "application/xhtml+xml; charset=utf-8",
        "atom" => "application/atom+xml; charset=utf-8",
        "rss" => "application/rss+xml; charset=utf-8",
        "pdf" => "application/pdf",
        "epub" => "application/epub+zip",
        "rtf" => "application/rtf",
        "doc" => "application/msword",
        "xls" => "application/vnd.ms-excel",
        "ppt" => "application/vnd.ms-powerpoint",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt" => "application/vnd.oasis.opendocument.text",
        "ods" => "application/vnd.oasis.opendocument.spreadsheet",
        "odp" => "application/vnd.oasis.opendocument.presentation",
        "torrent" => "application/x-bittorrent",
        "pcap" | "pcapng" => "application/vnd.tcpdump.pcap",
        "sqlite" => "application/vnd.sqlite3",
        "wasm" => "application/wasm",
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        _ => return None,
    })
}

fn archive(ending: &str) -> Option<&'static str> {
    Some(match ending {
        "zip" => "application/zip",
        "tar" => "application/x-tar",
        "gz" | "tgz" => "application/gzip",
        "bz2" => "application/x-bzip2",
        "xz" => "application/x-xz",
        "zst" => "application/zstd",
        "7z" => "application/x-7z-compressed",
        "rar" => "application/vnd.rar",
        "jar" => "application/java-archive",
        "apk" => "application/vnd.android.package-archive",
        "deb" => "application/vnd.debian.binary-package",
        "iso" => "application/x-iso9660-image",
        _ => return None,
    })
}

fn font(ending: &str) -> Option<&'static str> {
    Some(match ending {
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        "ttc" => "font/collection",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_media_types_whatever_their_case() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("A.HTML", "text/html; charset=utf-8"),
            ("notes.txt", "text/plain; charset=utf-8"),
            ("film.2024.MKV", "video/x-matroska"),
            ("a/b.tar.gz", "application/gzip"),
            ("x.woff2", "font/woff2"),
            ("app.webmanifest", "application/manifest+json"),
            ("pic.avif", "image/avif"),
            (".json", "application/json"),
            ("README", UNKNOWN),
            ("a.", UNKNOWN),
            ("", UNKNOWN),
            ("a.ending-that-nobody-knows", UNKNOWN),
            ("a.ä", UNKNOWN),
        ] {
            assert_eq!(media_type(name), expected, "{name}");
        }
    }
}
