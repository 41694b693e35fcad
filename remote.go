package pulp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/fetch"
)

// A Policy says when the files of a remote are downloaded.
type Policy string

// The policies.
const (
	Immediate Policy = "immediate" // when the remote is synced
	OnDemand  Policy = "on_demand" // when a client first asks for one; then it is kept
	Streamed  Policy = "streamed"  // each time a client asks for one; it is not kept
)

// A Remote is where sync finds content: a URL, and all that is needed to speak to its server.
type Remote[D any] struct {
	bun.BaseModel `bun:"table:remote,alias:rm"`
	Master
	Named
	URL                 string   `bun:"url" json:"url" validate:"required" doc:"The URL of an external content source."`
	Policy              Policy   `bun:"policy" json:"policy" default:"immediate" validate:"oneof=immediate on_demand streamed" doc:"When files are downloaded: immediate, when the remote is synced; on_demand, when a client first asks; streamed, each time a client asks."`
	CACert              *string  `bun:"ca_cert" json:"ca_cert" pulp:"raw" doc:"A PEM encoded CA certificate used to validate the server certificate presented by the remote server."`
	ClientCert          *string  `bun:"client_cert" json:"client_cert" pulp:"raw" doc:"A PEM encoded client certificate used for authentication."`
	ClientKey           *Secret  `bun:"client_key" json:"client_key" doc:"A PEM encoded private key used for authentication."`
	TLSValidation       bool     `bun:"tls_validation" json:"tls_validation" default:"true" doc:"If true, TLS peer validation must be performed."`
	ProxyURL            *string  `bun:"proxy_url" json:"proxy_url" doc:"The proxy URL. Format: scheme://host:port"`
	ProxyUsername       *Secret  `bun:"proxy_username" json:"proxy_username" doc:"The username to authenticate to the proxy."`
	ProxyPassword       *Secret  `bun:"proxy_password" json:"proxy_password" doc:"The password to authenticate to the proxy. Leading and trailing whitespace is kept."`
	Username            *Secret  `bun:"username" json:"username" doc:"The username to be used for authentication when syncing."`
	Password            *Secret  `bun:"password" json:"password" doc:"The password to be used for authentication when syncing. Leading and trailing whitespace is kept."`
	MaxRetries          *int64   `bun:"max_retries" json:"max_retries" validate:"min=0" doc:"Maximum number of retry attempts after a download failure. Null means 3."`
	TotalTimeout        *float64 `bun:"total_timeout" json:"total_timeout" validate:"min=0" doc:"Seconds for one download. Null means no limit."`
	ConnectTimeout      *float64 `bun:"connect_timeout" json:"connect_timeout" validate:"min=0" doc:"Seconds for one connection. Null means a default."`
	SockConnectTimeout  *float64 `bun:"sock_connect_timeout" json:"sock_connect_timeout" validate:"min=0" doc:"Seconds for the TCP part of a connection. Null means a default."`
	SockReadTimeout     *float64 `bun:"sock_read_timeout" json:"sock_read_timeout" validate:"min=0" doc:"Seconds for which a server may send nothing. Null means a default."`
	Headers             []Header `bun:"headers,type:json" json:"headers" doc:"Headers for requests, as a list of objects."`
	DownloadConcurrency *int64   `bun:"download_concurrency" json:"download_concurrency" validate:"min=1" doc:"Total number of simultaneous connections. Null means 10."`
	RateLimit           *int64   `bun:"rate_limit" json:"rate_limit" validate:"min=0" doc:"Limits requests per second. Null means no limit."`
	Detail              D        `bun:"detail,type:json" json:"-"`
}

// A Header is one or more header fields: name → value.
type Header map[string]string

// A RemoteType declares a type of remote whose own fields are D.
type RemoteType[D any] struct {
	// Name is the type's short name, usually the plugin's. It is stored.
	Name string
	// Class is the name in the API's description. Empty makes "<Plugin><Name>Remote".
	Class string
	// Policy is that of remotes of which clients do not say it. Empty means Immediate.
	Policy Policy
	// Validate looks at a remote before it is written; old is nil on create. Nil means nothing more.
	Validate func(old, new *Remote[D]) error
	// Imports are ways to make a remote of a file that other programs keep. Nil means none.
	Imports []RemoteImport
	// Upgrade are the steps that rows which older releases wrote have to take. Nil means that there are none.
	Upgrade []Upgrade
}

func (t *RemoteType[D]) declaration() declaration {
	return declaration{kind: remoteKind, word: "Remote", plural: "remotes", name: t.Name, class: t.Class}
}

func (t *RemoteType[D]) declare(r *registry, owner Plugin) error {
	for _, imp := range t.Imports {
		if !goodAction.MatchString(imp.Name) || imp.File == "" || imp.Read == nil {
			return fmt.Errorf("remote type %q, import %q: needs a Name of lower-case letters, digits and _, a File and Read", t.Name, imp.Name)
		}
	}
	d := t.declaration()
	vs := &ViewSet[Remote[D]]{
		Path: d.path(owner), class: d.className(owner), kind: remoteKind, typ: d.label(owner), decl: t, upgrade: t.Upgrade, labels: true,
		Async: Update | Delete, slowDelete: true, sorts: remoteSorts(),
		Filters:  timeFilters("pulp_last_updated", "rm.pulp_last_updated"),
		defaults: map[string]string{"policy": string(cmp.Or(t.Policy, Immediate))},
		extra:    func(v *view[Remote[D]], owner Plugin) []Operation { return v.remoteImports(owner, t.Imports) },
		Serializer: Serializer[Remote[D]]{Validate: func(ctx context.Context, _ bun.IDB, old, m *Remote[D]) error {
			if err := validRemote(r.app, m); err != nil || t.Validate == nil {
				return err
			}
			return t.Validate(old, m)
		}},
	}
	return vs.declare(r, owner)
}

// remoteSorts are orders by what clients do not see: of secrets only whether they are set.
func remoteSorts() map[string]string {
	out := map[string]string{"headers": "rm.headers"}
	for _, name := range []string{"client_key", "username", "password", "proxy_username", "proxy_password"} {
		out[name] = "rm." + name + " IS NOT NULL"
	}
	return out
}

// validRemote finds what is wrong before the first download does.
func validRemote[D any](a *App, m *Remote[D]) error {
	errs := FieldErrors{}
	if err := fetch.ValidURL(m.URL, a.cfg.ImportPaths); err != nil {
		errs.Add("url", "%s", sentenceOf(err))
	}
	if (m.ProxyUsername == nil) != (m.ProxyPassword == nil) {
		errs.Add(NonField, "proxy_username and proxy_password have to be specified together.")
	}
	if m.ProxyURL == nil && m.ProxyUsername != nil {
		errs.Add(NonField, "proxy credentials cannot be specified without 'proxy_url'.")
	}
	if len(errs) > 0 {
		return errs
	}
	c, err := a.client(m)
	var bad *fetch.FieldError
	if errors.As(err, &bad) {
		return FieldErrors{bad.Field: {bad.Msg}}
	}
	if err == nil {
		c.Close()
	}
	return err
}

func sentenceOf(err error) string {
	var bad *fetch.FieldError
	if errors.As(err, &bad) {
		return bad.Msg
	}
	return err.Error()
}

// A client downloads from one remote.
type client struct {
	*fetch.Client
	concurrency int
}

// client makes a downloader with a remote's settings and opened secrets.
func (a *App) client(m any) (*client, error) { return a.clientOf(m.(connection).connection()) }

// connection is what a remote of any type says of its server.
type connection interface{ connection() *Remote[None] }

func (m *Remote[D]) connection() *Remote[None] {
	return &Remote[None]{
		Master: m.Master, Named: m.Named, URL: m.URL, Policy: m.Policy, CACert: m.CACert, ClientCert: m.ClientCert, ClientKey: m.ClientKey,
		TLSValidation: m.TLSValidation, ProxyURL: m.ProxyURL, ProxyUsername: m.ProxyUsername, ProxyPassword: m.ProxyPassword,
		Username: m.Username, Password: m.Password, MaxRetries: m.MaxRetries, TotalTimeout: m.TotalTimeout,
		ConnectTimeout: m.ConnectTimeout, SockConnectTimeout: m.SockConnectTimeout, SockReadTimeout: m.SockReadTimeout,
		Headers: m.Headers, DownloadConcurrency: m.DownloadConcurrency, RateLimit: m.RateLimit,
	}
}

func (a *App) clientOf(m *Remote[None]) (*client, error) {
	cfg := fetch.Config{
		CACert: text(m.CACert), ClientCert: text(m.ClientCert), TLSValidation: m.TLSValidation, ProxyURL: text(m.ProxyURL),
		UserAgent: "pulp/" + CoreVersion, MaxRetries: fetch.DefaultMaxRetries, Concurrency: fetch.DefaultConcurrency,
		TotalTimeout: seconds(m.TotalTimeout), ConnectTimeout: seconds(m.ConnectTimeout),
		SockConnectTimeout: seconds(m.SockConnectTimeout), SockReadTimeout: seconds(m.SockReadTimeout),
		ImportPaths: a.cfg.ImportPaths, AllowRemote: a.cfg.AllowRemote,
	}
	for _, s := range []struct {
		sealed *Secret
		plain  *string
	}{{m.ClientKey, &cfg.ClientKey}, {m.ProxyUsername, &cfg.ProxyUsername}, {m.ProxyPassword, &cfg.ProxyPassword}, {m.Username, &cfg.Username}, {m.Password, &cfg.Password}} {
		if s.sealed == nil {
			continue
		}
		var err error
		if *s.plain, err = a.Reveal(*s.sealed); err != nil {
			return nil, fmt.Errorf("open the secrets of remote %s: %w", m.Name, err)
		}
	}
	if m.MaxRetries != nil {
		cfg.MaxRetries = int(*m.MaxRetries)
	}
	if m.DownloadConcurrency != nil {
		cfg.Concurrency = int(*m.DownloadConcurrency)
	}
	if m.RateLimit != nil {
		cfg.RateLimit = int(*m.RateLimit)
	}
	for _, h := range m.Headers {
		for name, value := range h {
			cfg.Headers = append(cfg.Headers, [2]string{name, value})
		}
	}
	var err error
	if cfg.Origin, err = url.Parse(m.URL); err != nil {
		return nil, &fetch.FieldError{Field: "url", Msg: "Enter a valid URL."}
	}
	c, err := fetch.New(cfg)
	return &client{c, cfg.Concurrency}, err
}

func text[S ~string](s *S) string {
	if s == nil {
		return ""
	}
	return string(*s)
}

func seconds(s *float64) time.Duration {
	if s == nil {
		return 0
	}
	return time.Duration(*s * float64(time.Second))
}

// taskFailure gives the failure of a download the code that clients know.
func taskFailure(err error) error {
	for _, k := range []struct {
		kind error
		code string
	}{
		{fetch.ErrDigest, "PLP0003"}, {fetch.ErrSize, "PLP0004"}, {fetch.ErrTimeout, "PLP0005"}, {fetch.ErrDNS, "PLP0008"},
		{fetch.ErrScheme, "PLP0009"}, {fetch.ErrTLS, "PLP0026"}, {fetch.ErrStatus, "PLP0025"}, {fetch.ErrConnection, "PLP0027"},
	} {
		if errors.Is(err, k.kind) {
			return &TaskError{Code: k.code, Text: err.Error(), Err: err}
		}
	}
	return err
}
