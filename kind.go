package pulp

import "reflect"

// The kinds of the core: each is a table of that name.
const (
	artifactKind     = "artifact"
	uploadKind       = "upload"
	contentKind      = "content"
	remoteKind       = "remote"
	repositoryKind   = "repository"
	versionKind      = "repository_version"
	publisherKind    = "publisher"
	publicationKind  = "publication"
	distributionKind = "distribution"
	guardKind        = "guard"
	taskKind         = "task"
	workerKind       = "worker"
	accountKind      = "account"
	taskGroupKind    = "task_group"
	scheduleKind     = "task_schedule"
	groupKind        = "account_group"
	roleKind         = "role"
	userRoleKind     = "user_role"
	groupRoleKind    = "group_role"
	policyKind       = "access_policy"
	signingKind      = "signing_service"
)

func coreKinds() map[string]*kind {
	out := map[string]*kind{}
	for _, k := range []*kind{
		{name: artifactKind}, {name: uploadKind}, {name: taskKind}, {name: workerKind}, {name: taskGroupKind}, {name: scheduleKind},
		{name: contentKind, typed: true}, {name: remoteKind, typed: true}, {name: repositoryKind, typed: true},
		{name: publisherKind, typed: true}, {name: publicationKind, typed: true}, {name: distributionKind, typed: true}, {name: guardKind, typed: true},
		{name: versionKind, links: versionLinkSQL},
		{name: accountKind, links: linkSQL(accountKind, "0", "id")}, {name: groupKind, links: linkSQL(groupKind, "0", "id")},
		{name: roleKind}, {name: userRoleKind}, {name: groupRoleKind}, {name: policyKind}, {name: signingKind},
	} {
		k.ends, k.key = map[int64]*endpoint{}, coreKey(k.name)
		if k.links == "" && k.typed {
			k.links = linkSQL(k.name, "pulp_type", "pulp_id")
		} else if k.links == "" {
			k.links = linkSQL(k.name, "0", "pulp_id")
		}
		out[k.name] = k
	}
	for _, name := range []string{accountKind, groupKind} {
		out[name].key = tableKey{table: name, primary: "id", column: "id", typ: reflect.TypeFor[int64](), integer: true}
	}
	out[userRoleKind].key, out[groupRoleKind].key = coreKey("role_assignment"), coreKey("role_assignment")
	// Incomplete versions and publications are invisible.
	out[publicationKind].links += " AND complete"
	out[publicationKind].where, out[versionKind].where = " AND t.complete", " AND t.complete"
	return out
}

// corePlugin is what every App has.
func corePlugin() Plugin {
	return Plugin{Name: "core", Version: CoreVersion, Parts: []Part{
		generalCreate, generalUpdate, quickDelete, generalDelete,
		modifyTask, deleteVersionTask, createContentTask, commitUploadTask, repairTask, repairAllTask, reclaimTask, purgeTask, eraseTask,
		artifactViews(), uploadViews(), taskViews(), workerViews(), signingViews(), groupViews(), scheduleViews(),
		userViews(), userGroupViews(), groupUsers{}, roleViews(), userRoleViews(), groupRoleViews(), policyViews(), loginOperations{},
		headerGuards(), compositeGuards(), redirectGuards(), rbacGuards{},
		statusOperation{}, taskOperations{}, retention{}, aging{}, orphanOperations{}, repairOperation(), reclaimOperation(),
	}}
}

// mastersPlugin is what every App has and what needs the types of all plugins.
func mastersPlugin() Plugin {
	return Plugin{Name: "core", Version: CoreVersion, Parts: []Part{masterViews()}}
}

// Master is what the objects of a kind have whose types plugins declare.
type Master struct {
	Base
	PulpType int64 `bun:"pulp_type" json:"-"`
}

func (m *Master) typeID() int64    { return m.PulpType }
func (m *Master) setType(id int64) { m.PulpType = id }

// typed is a record whose type a plugin declared.
type typed interface {
	typeID() int64
	setType(id int64)
}

// A declaration names a type of a kind: what is the same for all kinds.
type declaration struct {
	kind    string // "remote"
	word    string // of the class name: "Remote"
	plural  string // the first part of the path: "remotes"
	name    string // the type
	class   string // given by the plugin; empty makes one
	segment string // the last part of the path; empty is the name
}

func (d declaration) label(owner Plugin) string { return owner.Name + "." + d.name }

func (d declaration) path(owner Plugin) string {
	segment := d.segment
	if segment == "" {
		segment = d.name
	}
	return d.plural + "/" + owner.Name + "/" + segment
}

// className is the type's name in the API's description: "AcmeRemote" for the type of the
// same name as its plugin, "AcmePackageContent" for others.
func (d declaration) className(owner Plugin) string {
	if d.class != "" {
		return d.class
	}
	name := title(owner.Name)
	if d.name != owner.Name {
		name += title(d.name)
	}
	return name + d.word
}
