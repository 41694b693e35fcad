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

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/gopulp/pulp"
)

// A script service runs a program for each signature.
type script struct{ name, path, public, fingerprint string }

// Limits of a program: how long it may run, and how much it may say.
const (
	scriptTime   = 2 * time.Minute
	scriptOutput = 64 << 10
	signedSize   = 64 << 20
)

// Script makes a service of a program, given by an absolute path, and the armored public key that
// verifies what it signs; one signature is tried at once.
//
// The program gets the name of a file as its argument, and PULP_SIGNING_KEY_FINGERPRINT and
// CORRELATION_ID in its environment. It prints a JSON object: {"file", "signature", "key"} with the
// name of the file that holds the detached armored signature; and, if it can, "clear_signature" with
// that of the clear-signed text. Both lie in the directory of the file, which is removed afterwards.
func Script(ctx context.Context, name, path, publicKey string) (pulp.SigningService, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("signing service %s: the script %q: give its absolute path", name, path)
	}
	keys, err := openpgp.ReadArmoredKeyRing(strings.NewReader(publicKey))
	if err != nil {
		return nil, fmt.Errorf("signing service %s: read public key: %w", name, err)
	}
	if len(keys) != 1 || keys[0].PrivateKey != nil {
		return nil, fmt.Errorf("signing service %s: expected one public key, and no private one", name)
	}
	s := &script{name, path, publicKey, strings.ToUpper(fmt.Sprintf("%x", keys[0].PrimaryKey.Fingerprint))}
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
	file := filepath.Join(dir, "Release")
	if err := fill(file, text); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	out, err := s.run(ctx, file)
	if err != nil {
		return err
	}
	var said struct {
		Signature string `json:"signature"`
		Clear     string `json:"clear_signature"`
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return fmt.Errorf("sign: %s printed no JSON object: %w", s.path, err)
	}
	name, field := said.Signature, "signature"
	if form == pulp.ClearSignature {
		name, field = said.Clear, "clear_signature"
	}
	if name == "" {
		return fmt.Errorf("sign: %s printed no %q, which is needed here", s.path, field)
	}
	return s.read(signed, dir, name)
}

func fill(file string, text io.Reader) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, text)
	return errors.Join(err, f.Close())
}

// run yields what the program printed. What it says on its standard error is for the operator.
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

// read copies a file that the program wrote. It must lie in the directory that it was given.
func (s *script) read(w io.Writer, dir, name string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	defer root.Close()
	if filepath.IsAbs(name) {
		if name, err = filepath.Rel(dir, name); err != nil {
			return fmt.Errorf("sign: %w", err)
		}
	}
	f, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("sign: the signature that %s names: %w", s.path, err)
	}
	defer f.Close()
	n, err := io.Copy(w, io.LimitReader(f, signedSize))
	if err == nil && n == 0 {
		err = fmt.Errorf("%s wrote an empty signature", s.path)
	}
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	return nil
}

// A bounded buffer forgets what is beyond the limit.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:max(0, min(len(p), scriptOutput-b.Len()))])
	return len(p), nil
}
