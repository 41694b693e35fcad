package signing

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Keys are public OpenPGP keys, by one of which something must be signed; other signatures beside
// that one do not matter. The zero value verifies nothing. Signatures of keys that have expired or
// were revoked, and those made with SHA-1 or MD5, are not good, nor is one behind ten others.
type Keys struct {
	name string
	ring openpgp.EntityList
}

// ReadKeys reads armored public keys: one or more blocks of one or more keys each. It refuses
// private ones. Errors call the keys by a name: "the remote's gpgkey".
func ReadKeys(name, armored string) (Keys, error) {
	k := Keys{name: name}
	for block := range strings.SplitAfterSeq(armored, "-----END PGP PUBLIC KEY BLOCK-----") {
		if k.ring != nil && strings.TrimSpace(block) == "" {
			break
		}
		some, err := openpgp.ReadArmoredKeyRing(strings.NewReader(block))
		if err != nil {
			return Keys{}, fmt.Errorf("read %s: %w", name, err)
		}
		k.ring = append(k.ring, some...)
	}
	for _, e := range k.ring {
		if e.PrivateKey != nil {
			return Keys{}, fmt.Errorf("read %s: there is a private key, which nobody else should have; give the public one", name)
		}
	}
	return k, nil
}

// Open returns the text of a clear-signed message, if one of the keys signed it. Nothing may stand
// before the message or behind it.
func (k Keys) Open(message []byte) ([]byte, error) {
	b, rest := clearsign.Decode(message)
	switch {
	case b == nil:
		return nil, fmt.Errorf("it is not signed, but must be by %s", k.name)
	case !bytes.HasPrefix(message, []byte("-----BEGIN PGP SIGNED MESSAGE-----")):
		return nil, errors.New("there is text before what is signed")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("there is text after its signature")
	}
	if err := k.verify(b.Bytes, b.ArmoredSignature.Body); err != nil {
		return nil, err
	}
	return b.Plaintext, nil
}

// Check verifies that a detached signature, armored or not, is one of the keys' for a text.
func (k Keys) Check(text, signature []byte) error {
	binary := io.Reader(bytes.NewReader(signature))
	if bytes.HasPrefix(bytes.TrimSpace(signature), []byte("-----BEGIN")) {
		b, err := armor.Decode(binary)
		if err == nil && b.Type != openpgp.SignatureType {
			err = fmt.Errorf("there is a %s in the place of its signature", b.Type)
		}
		if err != nil {
			return fmt.Errorf("it is not well signed by %s: %w", k.name, err)
		}
		binary = b.Body
	}
	return k.verify(text, binary)
}

// maxSignatures bounds how often a text is hashed. Those of distributions have some three.
const maxSignatures = 10

// verify wants one good signature among some: whoever changes keys signs with the old and the new one.
func (k Keys) verify(text []byte, signatures io.Reader) error {
	why := error(pgperrors.ErrUnknownIssuer)
	packets := packet.NewReader(signatures)
	for range maxSignatures {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("it is not well signed by %s: %w", k.name, err)
		}
		sig, ok := p.(*packet.Signature)
		if !ok {
			return fmt.Errorf("it is not well signed by %s: there is something else in the place of its signature", k.name)
		}
		switch err := k.verifyOne(text, sig); {
		case err == nil:
			return nil
		case !errors.Is(err, pgperrors.ErrUnknownIssuer):
			why = err
		}
	}
	return fmt.Errorf("it is not well signed by %s: %w", k.name, why)
}

// strong are the digests of which no two texts with the same one can be found.
var strong = []crypto.Hash{crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512}

func (k Keys) verifyOne(text []byte, sig *packet.Signature) error {
	if !slices.Contains(strong, sig.Hash) {
		return fmt.Errorf("its signature is of the hash %s, which can be forged", sig.Hash)
	}
	var one bytes.Buffer
	if err := sig.Serialize(&one); err != nil {
		return err
	}
	_, err := openpgp.CheckDetachedSignature(k.ring, bytes.NewReader(text), &one, nil)
	return err
}

// Text is what a message says, clear-signed or not, for those who trust anybody: no signature is
// verified.
func Text(message []byte) []byte {
	if b, _ := clearsign.Decode(message); b != nil {
		return b.Plaintext
	}
	return message
}

// armored writes a public key.
func armored(e *openpgp.Entity) (string, error) {
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	if err != nil {
		return "", err
	}
	if err := errors.Join(e.Serialize(w), w.Close()); err != nil {
		return "", err
	}
	return b.String() + "\n", nil
}

// fingerprint is that of the primary key.
func fingerprint(e *openpgp.Entity) string {
	return strings.ToUpper(fmt.Sprintf("%x", e.PrimaryKey.Fingerprint))
}
