// Package signing makes the services of [pulp.Config.SigningServices], and verifies what others signed:
// [OpenPGP] signs in the process with a private key; [Script] has a program of the operator's sign,
// which may keep the key elsewhere; [Keys] verify.
package signing

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/gopulp/pulp"
)

// An openPGP service signs with a key in memory.
type openPGP struct {
	name, public string
	entity       *openpgp.Entity
}

// OpenPGP makes a service of an armored private key. A key that is protected needs its passphrase,
// else it is nil. One signature is tried at once: a key that may not sign, or has expired, is an error.
// Nothing that the service answers holds the private key.
func OpenPGP(name, privateKey string, passphrase []byte) (pulp.SigningService, error) {
	keys, err := openpgp.ReadArmoredKeyRing(strings.NewReader(privateKey))
	if err != nil {
		return nil, fmt.Errorf("signing service %s: read private key: %w", name, err)
	}
	if len(keys) != 1 || keys[0].PrivateKey == nil {
		return nil, fmt.Errorf("signing service %s: expected one private key", name)
	}
	e := keys[0]
	if err := e.DecryptPrivateKeys(passphrase); err != nil {
		return nil, fmt.Errorf("signing service %s: open private key: the passphrase is not right", name)
	}
	s := &openPGP{name: name, entity: e}
	if s.public, err = armored(e); err != nil {
		return nil, fmt.Errorf("signing service %s: write public key: %w", name, err)
	}
	return s, probe(context.Background(), s)
}

// Name is the service's name.
func (s *openPGP) Name() string { return s.name }

// PublicKey is the armored public key.
func (s *openPGP) PublicKey() string { return s.public }

// Fingerprint is that of the primary key.
func (s *openPGP) Fingerprint() string { return fingerprint(s.entity) }

// Sign signs with SHA-512, which all clients of today accept.
func (s *openPGP) Sign(ctx context.Context, form pulp.SignatureForm, signed io.Writer, text io.Reader) error {
	cfg := &packet.Config{DefaultHash: crypto.SHA512}
	if err := ctx.Err(); err != nil {
		return err
	}
	if form == pulp.DetachedSignature {
		if err := openpgp.ArmoredDetachSign(signed, s.entity, text, cfg); err != nil {
			return fmt.Errorf("sign: %w", err)
		}
		_, err := io.WriteString(signed, "\n")
		return err
	}
	key, ok := s.entity.SigningKey(cfg.Now())
	if !ok {
		return errors.New("sign: the key has expired, or may not sign")
	}
	w, err := clearsign.Encode(signed, key.PrivateKey, cfg)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	_, err = io.Copy(w, text)
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	_, err = io.WriteString(signed, "\n")
	return err
}

// probe has a service sign, and refuses one whose signatures its public key does not verify.
func probe(ctx context.Context, s pulp.SigningService) error {
	const text = "probe\n"
	keys, err := ReadKeys("its public key", s.PublicKey())
	if err != nil {
		return fmt.Errorf("signing service %s: %w", s.Name(), err)
	}
	var sig bytes.Buffer
	if err := s.Sign(ctx, pulp.DetachedSignature, &sig, strings.NewReader(text)); err != nil {
		return fmt.Errorf("signing service %s: try it: %w", s.Name(), err)
	}
	if err := keys.Check([]byte(text), sig.Bytes()); err != nil {
		return fmt.Errorf("signing service %s: try it: %w", s.Name(), err)
	}
	return nil
}
