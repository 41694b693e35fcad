package pulp

// AccessStatements are the statements of access control that run for each request or new object.
var AccessStatements = map[string]string{
	"rights":             principalSQL,
	"rights on a task":   principalSQL + taskOwnerSQL,
	"rights on a group":  principalSQL + groupOwnerSQL,
	"rows with a right":  rowsWithSQL,
	"hook":               grantSQL,
	"give a role":        giveRoleSQL,
	"take a role":        takeRoleSQL,
	"roles on an object": objectRolesSQL,
	"session":            findSessionSQL,
	"close session":      closeSessionSQL,
	"forget sessions":    forgetSessionSQL,
	"account":            findAccountSQL,
	"groups of users":    groupsOfUsersSQL,
	"members":            membersSQL,
	"add member":         addMemberSQL,
	"remove member":      removeMemberSQL,
	"facts of roles":     roleFactsSQL,
}
