package pulp

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/uptrace/bun"
)

// A SigningService signs what is published, on behalf of the one whose public key clients trust.
// It is named in [Config.SigningServices]; package signing makes some. Its methods may be called by
// any number of goroutines.
type SigningService interface {
	// Name is unique among an App's services, and is never changed: publications refer to it.
	Name() string
	// PublicKey is the key with which clients verify, as text.
	PublicKey() string
	// Fingerprint identifies the key, in upper-case hex.
	Fingerprint() string
	// Sign reads what is to be signed to its end, and writes the signature of that form.
	Sign(ctx context.Context, form SignatureForm, signed io.Writer, text io.Reader) error
}

// A SignatureForm says what a signature looks like.
type SignatureForm int

// The forms of signatures.
const (
	DetachedSignature SignatureForm = iota // the armored signature alone
	ClearSignature                         // the text, readable, with its signature around it
)

// A SigningServiceRecord is what the API tells of a signing service.
type SigningServiceRecord struct {
	bun.BaseModel `bun:"table:signing_service,alias:sg"`
	Key           int64  `bun:"id,pk" json:"-"`
	PulpID        ID     `bun:"pulp_id" json:"-"`
	Created       Time   `bun:"pulp_created,notnull" json:"pulp_created" pulp:"readonly"`
	Updated       Time   `bun:"pulp_last_updated,notnull" json:"pulp_last_updated" pulp:"readonly"`
	Name          string `bun:"name" json:"name" pulp:"readonly,filter" doc:"A unique name used to recognize a script."`
	PublicKey     string `bun:"public_key" json:"public_key" pulp:"readonly" doc:"The value of a public key used for the repository verification."`
	Fingerprint   string `bun:"pubkey_fingerprint" json:"pubkey_fingerprint" pulp:"readonly" doc:"The fingerprint of the public key."`
	Script        string `bun:"script" json:"script" pulp:"readonly" doc:"An absolute path to the program that signs; empty if none does."`
	Offered       bool   `bun:"offered" json:"-"`
}

func (s *SigningServiceRecord) base() *Base { return &Base{ID: s.Key, PulpID: s.PulpID} }

func signingViews() *ViewSet[SigningServiceRecord] {
	return &ViewSet[SigningServiceRecord]{
		Path: "signing-services", Name: "signing service", class: "SigningService", kind: signingKind, Ops: List | Read, roleless: true,
		rules: func(*guard) []rule { return []rule{{[]string{"list", "retrieve"}, nil}} },
		Scope: func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("sg.offered") },
	}
}

const (
	withdrawServicesSQL = "UPDATE signing_service SET offered = 0 WHERE offered"
	offerServiceSQL     = `INSERT INTO signing_service (pulp_id, name, public_key, pubkey_fingerprint, script, offered, pulp_created, pulp_last_updated)
VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6) ON CONFLICT (name) DO UPDATE SET offered = 1, public_key = excluded.public_key,
pubkey_fingerprint = excluded.pubkey_fingerprint, script = excluded.script, pulp_last_updated = CASE
  WHEN public_key = excluded.public_key AND script = excluded.script THEN pulp_last_updated ELSE excluded.pulp_last_updated END`
)

// keepServices writes down the services of this configuration. Those of older ones keep their
// rows, since publications refer to them, but are neither shown nor used.
func (a *App) keepServices(ctx context.Context) error {
	names := map[string]bool{}
	for _, s := range a.cfg.SigningServices {
		switch {
		case s == nil || s.Name() == "":
			return fmt.Errorf("Config.SigningServices: each service needs a name")
		case names[s.Name()]:
			return fmt.Errorf("Config.SigningServices: two services have the name %q", s.Name())
		}
		names[s.Name()] = true
	}
	return a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.Tx.ExecContext(ctx, withdrawServicesSQL); err != nil {
			return fmt.Errorf("keep signing services: %w", err)
		}
		for _, s := range a.cfg.SigningServices {
			script := ""
			if by, ok := s.(interface{ Script() string }); ok {
				script = by.Script()
			}
			_, err := tx.Tx.ExecContext(ctx, offerServiceSQL, NewID(), s.Name(), s.PublicKey(), s.Fingerprint(), script, int64(a.now()))
			if err != nil {
				return fmt.Errorf("keep signing service %s: %w", s.Name(), err)
			}
		}
		return nil
	})
}

// SigningService returns the service that a field tagged ref=signing_service refers to. It returns
// ErrNotFound, with the service's name, if the App's configuration does not name it any more.
func (a *App) SigningService(ctx context.Context, id int64) (SigningService, error) {
	m, err := NewModel[SigningServiceRecord]().First(ctx, a.db.Reader(), byKey(id))
	if err != nil {
		return nil, err
	}
	for _, s := range a.cfg.SigningServices {
		if s.Name() == m.Name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("signing service %q: Config.SigningServices does not name it any more: %w", m.Name, ErrNotFound)
}

// Sign adds a file of metadata at a path of the publication: a text, as a service signs it. If the
// service fails, the task's record names it and no more, since what a program says of its keys is
// nothing for clients; the log has the reason.
func (p *Publishing) Sign(ctx context.Context, s SigningService, form SignatureForm, path string, text []byte) error {
	return p.Write(ctx, path, func(w io.Writer) error {
		err := s.Sign(ctx, form, w, bytes.NewReader(text))
		if err == nil || ctx.Err() != nil {
			return err
		}
		p.j.Log().Error("a signing service failed", "service", s.Name(), "path", path, "error", err)
		return &TaskError{Code: "PLP0012", Text: fmt.Sprintf("Cannot create publication. The signing service %q failed; the log says why.", s.Name()), Err: err}
	})
}
