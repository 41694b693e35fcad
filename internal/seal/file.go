package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// fileHead explains the key file to whoever opens it.
const fileHead = "# Keys of a pulp data directory, newest first. Whoever has this file can read the secrets in the database;\n" +
	"# without it they are lost. Keep a copy apart from the backups of the database.\n"

// Open reads the key file at path; if there is none, it makes one with a random key, readable by its owner alone and
// safely on disk before Open returns. Its directory must exist. Processes that open the same missing file at the same
// time end up with the same key. A file without a key, or with a line that is none, is an [ErrFormat].
func Open(path string) (*Box, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(path); err == nil {
			data, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	keys, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("open key file %s: %w", path, err)
	}
	box, err := New(keys...)
	if err != nil {
		return nil, fmt.Errorf("open key file %s: %w", path, err)
	}
	box.path, box.exposed = path, readableByOthers(path)
	return box, nil
}

// Rotate puts a new random key in front of those in the key file at path, in one step: after a crash the file is either the
// old or the new one. Boxes that are open keep the keys they read. One process at a time may rotate a file.
func Rotate(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("rotate key: %w", err)
	}
	if _, err := parse(data); err != nil {
		return fmt.Errorf("rotate key: %s: %w", path, err)
	}
	old := bytes.TrimPrefix(data, []byte(fileHead))
	tmp, err := writeTemp(path, append(newLine(), old...))
	if err != nil {
		return fmt.Errorf("rotate key: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(fmt.Errorf("rotate key: %w", err), os.Remove(tmp))
	}
	return syncDir(filepath.Dir(path))
}

// create makes the key file, or leaves the one that another process made meanwhile. The file appears complete, so
// nobody ever reads half a key.
func create(path string) error {
	tmp, err := writeTemp(path, newLine())
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	err = os.Link(tmp, path) // unlike a rename, it never replaces a key
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = createExclusive(path, tmp) // a file system without links
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func createExclusive(path, tmp string) error {
	data, err := os.ReadFile(tmp)
	if err != nil {
		return err
	}
	return writeNew(path, data)
}

func writeTemp(path string, lines []byte) (string, error) {
	tmp := path + "." + rand.Text() + ".tmp"
	return tmp, writeNew(tmp, append([]byte(fileHead), lines...))
}

func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func newLine() []byte {
	secret := make([]byte, KeySize)
	rand.Read(secret) // never fails
	return []byte(base64.RawURLEncoding.EncodeToString(secret) + "\n")
}

// parse reads one key per line; blank lines and lines that start with '#' are comments.
func parse(data []byte) ([][]byte, error) {
	var keys [][]byte
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		secret, err := base64.RawURLEncoding.Strict().DecodeString(line)
		if err != nil || len(secret) != KeySize {
			return nil, fmt.Errorf("line %d is not a key of %d bytes in base64: %w", i+1, KeySize, ErrFormat)
		}
		keys = append(keys, secret)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no key in it: %w", ErrFormat)
	}
	return keys, nil
}

func readableByOthers(path string) bool {
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
