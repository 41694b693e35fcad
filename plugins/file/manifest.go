package file

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gopulp/pulp"
)

// A line of a manifest.
type line struct {
	path   string // relative to the manifest's directory
	sha256 string // in lower-case hex
	size   int64  // in bytes
}

// maxLine is the longest line of a manifest, in bytes: longer than any path that a file system
// or a URL can have.
const maxLine = 64 << 10

// readManifest yields the lines of a manifest, and ends with the first bad one, whose error
// names its number. Empty lines and those that begin with # are passed over.
func readManifest(r io.Reader) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		in := bufio.NewScanner(r)
		in.Buffer(make([]byte, 0, 4096), maxLine)
		in.Split(splitLines)
		n := 0
		for in.Scan() {
			n++
			text := strings.TrimSpace(in.Text())
			if text == "" || strings.HasPrefix(text, "#") {
				continue
			}
			l, err := parseLine(text)
			if err != nil {
				yield(line{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(l, nil) {
				return
			}
		}
		if err := in.Err(); err != nil {
			yield(line{}, fmt.Errorf("line %d: %w", n+1, err))
		}
	}
}

// parseLine splits at the last two commas, so that a path may hold commas and blanks.
func parseLine(text string) (line, error) {
	rest, size, ok := cutLast(text)
	path, sum, more := cutLast(rest)
	if !ok || !more {
		return line{}, errors.New("expected a path, a sha256 checksum and a size, separated by commas")
	}
	l := line{path: path, sha256: strings.ToLower(sum)}
	if !pulp.ValidPath(path) || strings.ContainsRune(path, '\\') {
		return line{}, fmt.Errorf("%q is no path of a file below the manifest's directory", path)
	}
	if b, err := hex.DecodeString(l.sha256); err != nil || len(b) != 32 {
		return line{}, fmt.Errorf("%q is no sha256 checksum", sum)
	}
	n, err := strconv.ParseUint(size, 10, 63)
	if err != nil {
		return line{}, fmt.Errorf("%q is no size in bytes", size)
	}
	l.size = int64(n)
	return l, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ',')
	if i < 0 {
		return "", "", false
	}
	return strings.TrimSpace(s[:i]), strings.TrimSpace(s[i+1:]), true
}

// splitLines is a bufio.SplitFunc that knows all line boundaries of Unicode, as manifests have
// been read ever since: LF, CR, CR LF, VT, FF, FS, GS, RS, NEL, LS and PS.
func splitLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && !atEOF && !utf8.FullRune(data[i:]) {
			return 0, nil, nil
		}
		if strings.ContainsRune("\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029", r) {
			if r == '\r' && i+1 == len(data) && !atEOF {
				return 0, nil, nil
			}
			if r == '\r' && i+1 < len(data) && data[i+1] == '\n' {
				return i + 2, data[:i], nil
			}
			return i + size, data[:i], nil
		}
		i += size
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}
