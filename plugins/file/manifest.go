package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/gopulp/pulp"
)

// maxLine is the longest line of a manifest, in bytes: longer than any path that a file system
// or a URL can have.
const maxLine = 64 << 10

// readManifest yields the lines of a manifest, and ends with the first bad one, whose error
// names its number. Empty lines and those that begin with # are passed over.
func readManifest(r io.Reader) iter.Seq2[pulp.Remotely, error] {
	return func(yield func(pulp.Remotely, error) bool) {
		in := bufio.NewScanner(r)
		in.Buffer(make([]byte, 0, 4096), maxLine)
		in.Split(splitLines)
		n := 1
		for ; in.Scan(); n++ {
			text := strings.TrimSpace(in.Text())
			if text == "" || strings.HasPrefix(text, "#") {
				continue
			}
			l, err := parseLine(text)
			if err != nil {
				err = fmt.Errorf("line %d: %w", n, err)
			}
			if !yield(l, err) || err != nil {
				return
			}
		}
		if err := in.Err(); err != nil {
			yield(pulp.Remotely{}, fmt.Errorf("line %d: %w", n, err))
		}
	}
}

// parseLine splits at the last two commas, so that a path may hold commas and blanks.
func parseLine(text string) (pulp.Remotely, error) {
	parts := strings.Split(text, ",")
	n := len(parts) - 2
	if n < 1 {
		return pulp.Remotely{}, errors.New("expected a path, a sha256 checksum and a size, separated by commas")
	}
	path, sum, size := strings.TrimSpace(strings.Join(parts[:n], ",")), strings.TrimSpace(parts[n]), strings.TrimSpace(parts[n+1])
	if strings.ContainsRune(path, '\\') {
		return pulp.Remotely{}, fmt.Errorf("%q is no path of a file below a directory", path)
	}
	return pulp.ParseRemotely(path, sum, size)
}

// lineEnds are all line boundaries of Unicode, as manifests have been read ever since: LF, CR,
// VT, FF, FS, GS, RS, NEL, LS and PS; CR LF is one.
const lineEnds = "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029"

// splitLines is a bufio.SplitFunc. The CR of a CR LF stays in the line, as a blank at its end.
func splitLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	for i, size := 0, 0; i < len(data); i += size {
		var r rune
		r, size = utf8.DecodeRune(data[i:])
		switch rest := data[i:]; {
		case !atEOF && (!utf8.FullRune(rest) || string(rest) == "\r"):
			return 0, nil, nil // what follows decides
		case strings.ContainsRune(lineEnds, r) && !bytes.HasPrefix(rest, []byte("\r\n")):
			return i + size, data[:i], nil
		}
	}
	if !atEOF || len(data) == 0 {
		return 0, nil, nil
	}
	return len(data), data, nil
}
