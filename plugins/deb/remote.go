package deb

import (
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/gopulp/pulp"
)

// Remote is what a remote has beyond any other.
type Remote struct {
	Distributions string  `json:"distributions" validate:"required" doc:"Whitespace separated list of distributions to sync: bookworm bookworm-updates."`
	Components    *string `json:"components" doc:"Whitespace separated list of components to sync. Null means all that Release names."`
	Architectures *string `json:"architectures" doc:"Whitespace separated list of architectures to sync; all is always among them. Null means all that Release names."`
	GPGKey        *string `json:"gpgkey" pulp:"raw" doc:"Armored public keys, by one of which Release must be signed. Null means that signatures are not looked at."`
	IgnoreMissing bool    `json:"ignore_missing_package_indices" default:"false" doc:"Whether a package index that Release does not name is passed over. False fails the sync."`
}

var remotes = &pulp.RemoteType[Remote]{Name: "apt", Class: "DebAptRemote", Validate: func(_, m *pulp.Remote[Remote]) error { return m.Detail.check() }}

// check finds what is wrong before the first sync does.
func (m *Remote) check() error {
	errs := pulp.FieldErrors{}
	if strings.TrimSpace(m.Distributions) == "" {
		errs.Add("distributions", "This field may not be blank.")
	}
	for _, f := range []struct{ name, value string }{{"distributions", m.Distributions}, {"components", text(m.Components)}, {"architectures", text(m.Architectures)}} {
		for _, word := range strings.Fields(f.value) {
			switch {
			case f.name == "distributions" && strings.HasSuffix(word, "/"):
				errs.Add(f.name, "%q: flat repositories, whose distribution ends with a slash, are not supported.", word)
			case !goodPath(word):
				errs.Add(f.name, "%q: only letters, digits and + . _ ~ - are allowed, in parts separated by slashes.", word)
			}
		}
	}
	if m.GPGKey != nil {
		if _, err := openpgp.ReadArmoredKeyRing(strings.NewReader(*m.GPGKey)); err != nil {
			errs.Add("gpgkey", "Enter armored OpenPGP public keys (%s).", err)
		}
	}
	return errs.OrNil()
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
