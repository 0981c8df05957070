package dlq

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Store keeps files whole: a directory, or a bucket. Names have slashes.
type Store interface {
	// List returns the files, in order.
	List(ctx context.Context) ([]File, error)
	// Open reads a file, as it was when it was listed or put.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Put stores a file in place of one that was listed or put, or as a new one. When it
	// returns, the store has it for good and has compared it with its SHA-256.
	//
	// Errors: those that say that somebody else has written the file meanwhile.
	Put(ctx context.Context, name string, body io.ReadSeeker, size int64, sum [sha256.Size]byte) error
	// Sum returns the SHA-256 of a file.
	Sum(ctx context.Context, name string) ([sha256.Size]byte, error)
	// Path is a name for people.
	Path(name string) string
}

// File is a file in a store.
type File struct {
	Name     string
	Size     int64
	Modified time.Time
}

// Dir is a directory as a store.
type Dir string

// Path returns the path of a file.
func (d Dir) Path(name string) string { return filepath.Join(string(d), filepath.FromSlash(name)) }

// List returns the regular files, also those that a link leads to.
func (d Dir) List(context.Context) (files []File, err error) {
	err = filepath.WalkDir(string(d), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return nil // a link that leads nowhere, a pipe
		}
		rel, err := filepath.Rel(string(d), path)
		files = append(files, File{filepath.ToSlash(rel), info.Size(), info.ModTime()})
		return err
	})
	return files, err
}

// Open opens a file.
func (d Dir) Open(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(d.Path(name))
}

// Put writes a file whole or not at all.
func (d Dir) Put(_ context.Context, name string, body io.ReadSeeker, _ int64, _ [sha256.Size]byte) (err error) {
	target := d.Path(name)
	folder := filepath.Dir(target)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, "."+path.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = io.Copy(f, body)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), target); err != nil {
		return err
	}
	return syncFolder(folder)
}

// Sum reads a file.
func (d Dir) Sum(ctx context.Context, name string) ([sha256.Size]byte, error) {
	return sumOf(ctx, d, name)
}

// sumOf reads a file of a store for its SHA-256.
func sumOf(ctx context.Context, s Store, name string) (sum [sha256.Size]byte, err error) {
	f, err := s.Open(ctx, name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// lockFile is in a directory that an export or an import works on.
const lockFile = ".sumoship.lock"

// ErrInUse reports a directory that another export or import works on.
var ErrInUse = errors.New("another sumoship works on this directory")

// lock locks a directory until the lock is closed, or the process ends.
func (d Dir) lock() (*flock.Flock, error) {
	l := flock.New(d.Path(lockFile), flock.SetPermissions(0o600))
	switch ok, err := l.TryLock(); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("%s: %w", d, ErrInUse)
	}
	return l, nil
}

// syncFolder has the disk store that a file is in a folder.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}

// sums is the content of a SHA256SUMS, as sha256sum -c reads it.
type sums struct{ strings.Builder }

func (s *sums) add(name string, sum [sha256.Size]byte) { fmt.Fprintf(s, "%x  %s\n", sum, name) }
