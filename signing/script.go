package signing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gopulp/pulp"
)

// A script service runs a program for each signature.
type script struct {
	name, path, public, fingerprint string
	keys                            Keys
}

// Limits of a program: how long it may run, and how many bytes it may say and sign.
const (
	scriptTime   = 2 * time.Minute
	scriptOutput = 64 << 10
	signedSize   = 64 << 20
)

// Script makes a service of a program, given by an absolute path, and the armored public key that
// verifies what it signs; one signature is tried at once. Each signature is verified before it is
// used: a program that signs something else, or with another key, is an error.
//
// The program gets the name of a file as its argument, and PULP_SIGNING_KEY_FINGERPRINT and
// CORRELATION_ID in its environment. It prints a JSON object: {"file", "signature", "key"} with the
// name of the file that holds the detached signature; and, if it can, "clear_signature" with
// that of the clear-signed text. Both lie in the directory of the file, which is removed afterwards.
// It has two minutes, and 64 MiB for a signature. Its standard error is part of the error if it fails,
// which is for the log, not for clients.
func Script(ctx context.Context, name, path, publicKey string) (pulp.SigningService, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("signing service %s: the script %q: give its absolute path", name, path)
	}
	keys, err := ReadKeys("its public key", publicKey)
	if err != nil {
		return nil, fmt.Errorf("signing service %s: %w", name, err)
	}
	if len(keys.ring) != 1 {
		return nil, fmt.Errorf("signing service %s: expected one public key, not %d", name, len(keys.ring))
	}
	s := &script{name, path, publicKey, fingerprint(keys.ring[0]), keys}
	return s, probe(ctx, s)
}

// Name is the service's name.
func (s *script) Name() string { return s.name }

// PublicKey is the armored public key.
func (s *script) PublicKey() string { return s.public }

// Fingerprint is that of the primary key.
func (s *script) Fingerprint() string { return s.fingerprint }

// Script is the program's path.
func (s *script) Script() string { return s.path }

// Sign runs the program on a file of its own.
func (s *script) Sign(ctx context.Context, form pulp.SignatureForm, signed io.Writer, text io.Reader) error {
	dir, err := os.MkdirTemp("", "sign")
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	defer os.RemoveAll(dir)
	data, err := io.ReadAll(text)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	file := filepath.Join(dir, "text")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	out, err := s.run(ctx, file)
	if err != nil {
		return err
	}
	signature, err := s.signature(form, dir, out)
	if err != nil {
		return fmt.Errorf("sign: %s: %w", s.path, err)
	}
	if err := s.verify(form, data, signature); err != nil {
		return fmt.Errorf("sign: %s: %w", s.path, err)
	}
	_, err = signed.Write(signature)
	return err
}

// run yields what the program printed.
func (s *script) run(ctx context.Context, file string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, scriptTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.path, file)
	cmd.Dir, cmd.WaitDelay = filepath.Dir(file), time.Second
	cmd.Env = append(os.Environ(), "PULP_SIGNING_KEY_FINGERPRINT="+s.fingerprint, "CORRELATION_ID="+pulp.CallerOf(ctx).CorrelationID)
	out, faults := &bounded{}, &bounded{}
	cmd.Stdout, cmd.Stderr = out, faults
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("sign: %s: %w: %s", s.path, err, strings.TrimSpace(faults.String()))
	}
	return out.Bytes(), nil
}

// signature reads the file that the program says it wrote.
func (s *script) signature(form pulp.SignatureForm, dir string, out []byte) ([]byte, error) {
	var said struct {
		Signature string `json:"signature"`
		Clear     string `json:"clear_signature"`
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return nil, fmt.Errorf("it printed no JSON object: %w", err)
	}
	name, field := said.Signature, "signature"
	if form == pulp.ClearSignature {
		name, field = said.Clear, "clear_signature"
	}
	if name == "" {
		return nil, fmt.Errorf("it printed no %q, which is needed here", field)
	}
	return read(dir, name)
}

// read reads a file that the program wrote. It must lie in the directory that it was given.
func read(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if filepath.IsAbs(name) {
		if name, err = filepath.Rel(dir, name); err != nil {
			return nil, err
		}
	}
	info, err := root.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > signedSize {
		return nil, fmt.Errorf("the signature that it names, %q, is no file of at most %d bytes in its directory", name, signedSize)
	}
	return root.ReadFile(name)
}

// verify looks at a signature as clients will.
func (s *script) verify(form pulp.SignatureForm, text, signature []byte) error {
	if form == pulp.DetachedSignature {
		return s.keys.Check(text, signature)
	}
	got, err := s.keys.Open(signature)
	if err == nil && !bytes.Equal(bytes.TrimRight(got, "\n"), bytes.TrimRight(text, "\n")) {
		err = errors.New("it signed another text")
	}
	return err
}

// A bounded buffer forgets what is beyond the limit.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:max(0, min(len(p), scriptOutput-b.Len()))])
	return len(p), nil
}
