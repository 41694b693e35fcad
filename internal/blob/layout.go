package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"
)

const (
	artifactDir = "artifact"
	tmpDir      = "tmp"
	lockFile    = "lock" // of a store that processes share
)

// blobName returns the path of a blob below the store.
func blobName(sha256 string) (string, error) {
	if len(sha256) != 64 {
		return "", fmt.Errorf("%q is not a SHA-256 in lower hex: %w", sha256, fs.ErrInvalid)
	}
	for _, c := range []byte(sha256) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", fmt.Errorf("%q is not a SHA-256 in lower hex: %w", sha256, fs.ErrInvalid)
		}
	}
	return fanDir(sha256) + "/" + sha256[2:], nil
}

func fanDir(sha256 string) string { return artifactDir + "/" + sha256[:2] }

// layout makes the directories, all but those below artifact.
func (s *Store) layout() error {
	if err := errors.Join(s.mkdir(tmpDir), s.mkdir(artifactDir)); err != nil {
		return err
	}
	fans, err := s.list(artifactDir)
	if err != nil {
		return err
	}
	for _, fan := range fans {
		s.fans[artifactDir+"/"+fan] = true
	}
	return errors.Join(s.syncDir(artifactDir), s.syncDir(".")) // a crash may have come before these
}

// ensure makes the directories named, and brings the new ones to disk together.
func (s *Store) ensure(fans map[string]error) error {
	s.making.Lock()
	defer s.making.Unlock()
	var fresh []string
	for fan := range fans {
		if s.fans[fan] {
			continue
		}
		if err := s.mkdir(fan); err != nil {
			return err
		}
		fresh = append(fresh, fan)
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := s.syncDir(artifactDir); err != nil {
		return err
	}
	for _, fan := range fresh {
		s.fans[fan] = true
	}
	return nil
}

// sweep removes temp files that were last written to at least age ago.
func (s *Store) sweep(age time.Duration) error {
	names, err := s.list(tmpDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		name = tmpDir + "/" + name
		info, err := s.root.Lstat(name)
		if err == nil && (age == 0 || time.Since(info.ModTime()) >= age) {
			err = s.root.RemoveAll(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

func (s *Store) list(dir string) ([]string, error) {
	d, err := s.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

func (s *Store) mkdir(name string) error {
	if err := s.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (s *Store) syncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there; NTFS journals them
	}
	return s.sync(name, os.O_RDONLY)
}

// syncFile opens for writing because Windows syncs nothing else.
func (s *Store) syncFile(name string) error { return s.sync(name, os.O_RDWR) }

func (s *Store) sync(name string, flag int) error {
	f, err := s.root.OpenFile(name, flag, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
