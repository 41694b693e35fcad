package fetch

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ValidURL reports why raw cannot be the URL of a remote: it must be absolute, http, https or file, name a host, hold no user
// info, and as a file lie below one of importPaths. The error is an [*Error] of kind ErrScheme or ErrDenied; its Detail is a
// sentence for the user.
func ValidURL(raw string, importPaths []string) error {
	u, err := parse(raw)
	if err == nil && u.Scheme == "file" {
		_, _, err = below(u, importPaths)
	}
	var failure *Error
	if errors.As(err, &failure) {
		failure.URL = Redact(raw)
		return failure
	}
	return err
}

// parse accepts what Fetch can fetch.
func parse(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, final(fail(ErrScheme, "this is not a URL."))
	case u.User != nil:
		return nil, final(fail(ErrScheme, "the URL must not contain a username or password; use the fields for them."))
	case u.Scheme == "file" && (u.Host != "" && u.Host != "localhost" || !strings.HasPrefix(u.Path, "/")):
		return nil, final(fail(ErrScheme, "a file URL needs an absolute path, as in file:///srv/import."))
	case u.Scheme == "file":
		return u, nil
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, final(fail(ErrScheme, "the URL must begin with http://, https:// or file://."))
	case u.Hostname() == "":
		return nil, final(fail(ErrScheme, "the URL names no host."))
	}
	return u, nil
}

// below splits the path of a file URL into an import path and the rest.
func below(u *url.URL, importPaths []string) (root, rest string, err error) {
	name := u.Path
	if runtime.GOOS == "windows" {
		name = strings.TrimPrefix(name, "/") // file:///C:/dir
	}
	if slices.Contains(strings.Split(name, "/"), "..") || strings.ContainsRune(name, 0) {
		return "", "", final(fail(ErrDenied, "the path must not contain \"..\"."))
	}
	name = filepath.FromSlash(name)
	for _, dir := range importPaths {
		rest, err := filepath.Rel(dir, name)
		if err == nil && filepath.IsAbs(dir) && filepath.IsLocal(rest) {
			return dir, rest, nil
		}
	}
	return "", "", final(fail(ErrDenied, "the path is not below an allowed import path."))
}

// openFile opens a regular file below an import path, whatever links lie on the way.
func openFile(u *url.URL, importPaths []string) (answer, error) {
	dir, name, err := below(u, importPaths)
	if err != nil {
		return answer{}, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return answer{}, unreadable(err)
	}
	defer root.Close()
	info, err := root.Stat(name) // before Open, which would wait at a named pipe
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	if err != nil {
		return answer{}, unreadable(err)
	}
	f, err := root.Open(name)
	if err != nil {
		return answer{}, unreadable(err)
	}
	header := http.Header{}
	header.Set("Last-Modified", info.ModTime().UTC().Format(http.TimeFormat))
	header.Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	return answer{header, info.Size(), f, false}, nil
}

func unreadable(err error) error {
	e := fail(ErrFile, "%v", err)
	e.Err, e.final = err, true
	return e
}

// Resolve returns the URL of a file that a manifest names: path, below the directory of base, which is the manifest's URL. Whatever
// path holds is data and percent-encoded where needed: blanks, commas, '%', '?', '#', UTF-8. Query and fragment of base are
// dropped. The error is an [*Error] of kind ErrScheme if base is no URL that Fetch takes, or if path is empty, absolute, not
// UTF-8, or has a segment that is empty, "." or "..", a backslash or a control character.
func Resolve(base, path string) (string, error) {
	u, err := parse(base)
	var failure *Error
	if errors.As(err, &failure) {
		failure.URL = Redact(base)
		return "", failure
	}
	if !isPlain(path) {
		return "", &Error{Kind: ErrScheme, URL: Redact(base), Detail: "the path " + strconv.Quote(path) + " does not stay below it.", final: true}
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	raw := u.EscapedPath() // here a slash is a slash, never data
	raw = "/" + strings.TrimPrefix(raw[:strings.LastIndex(raw, "/")+1], "/")
	dir, err := url.PathUnescape(raw)
	if err != nil {
		return "", &Error{Kind: ErrScheme, URL: Redact(base), Detail: "its path is not percent-encoded well.", final: true}
	}
	out := url.URL{Scheme: u.Scheme, Host: u.Host, Path: dir + path, RawPath: raw + strings.Join(segments, "/")}
	return out.String(), nil
}

func isPlain(path string) bool {
	if !utf8.ValidString(path) || strings.Contains(path, `\`) || strings.ContainsFunc(path, unicode.IsControl) {
		return false
	}
	for _, s := range strings.Split(path, "/") {
		if s == "" || s == "." || s == ".." {
			return false
		}
	}
	return true
}
