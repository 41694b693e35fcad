package server

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/signing"
)

// keys is the flag that names services that sign, and where their private keys are.
type keys []struct{ name, file string }

// String makes it a flag.
func (ks *keys) String() string { return "" }

// Set adds a service.
func (ks *keys) Set(text string) error {
	name, file, _ := strings.Cut(text, "=")
	if name == "" || file == "" {
		return errors.New("it must be like releases=/etc/pulp/releases.asc")
	}
	for _, k := range *ks {
		if k.name == name {
			return fmt.Errorf("there is a service %s already", name)
		}
	}
	*ks = append(*ks, struct{ name, file string }{name, file})
	return nil
}

// services reads the keys. It fails before anything is opened or served.
func (c config) services() (out []pulp.SigningService, err error) {
	for _, k := range c.keys {
		key, err := os.ReadFile(k.file)
		if err != nil {
			return nil, fmt.Errorf("-sign %s: read the private key: %w", k.name, err)
		}
		s, err := signing.OpenPGP(k.name, string(key), []byte(c.passphrase))
		if err != nil {
			return nil, fmt.Errorf("-sign %s=%s: %w\ngive an armored private key, and its passphrase in PULP_SIGN_PASSPHRASE", k.name, k.file, err)
		}
		out = append(out, s)
	}
	return out, nil
}
