BEGIN TRANSACTION;
CREATE TABLE about (
	name VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "about" VALUES('key','e6579d34737b83529e6d70fa2178c932cb78181f609cb2f8db942aaca2c741c2');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE attributes (
	pseudonym VARCHAR(32) NOT NULL, 
	attribute VARCHAR(64) NOT NULL, 
	"group" VARCHAR(64) NOT NULL, 
	day INTEGER NOT NULL, 
	PRIMARY KEY (pseudonym, attribute)
)
 WITHOUT ROWID

;
INSERT INTO "attributes" VALUES('00b265be4ca952a0f0e0e8f429623139','race','African',20778);
INSERT INTO "attributes" VALUES('04380d7e581edd1e27ddc6469855432c','gender','Women',20778);
INSERT INTO "attributes" VALUES('2192047c27dceff8cf9ca2e4eb02c20f','race','African',20778);
INSERT INTO "attributes" VALUES('500b7afa5e0c0d26e9805551493a8ae8','gender','Women',20778);
INSERT INTO "attributes" VALUES('563d2eec7a596dec9f89e6391edeb925','gender','Women',20778);
INSERT INTO "attributes" VALUES('acb646c573250c9af7b898d0ad65f2d2','gender','Women',20778);
INSERT INTO "attributes" VALUES('bc626b5541478b60ba3be0319f68d2dd','gender','Men',20778);
INSERT INTO "attributes" VALUES('dee9665904ae7461deea4334628c4515','race','African',20778);
INSERT INTO "attributes" VALUES('e0716a83c229b812a4b1d136fa926c39','gender','Women',20778);
INSERT INTO "attributes" VALUES('e7419053f2808a4c6c9ec97a39fda44e','race','African',20778);
INSERT INTO "attributes" VALUES('ec8de035599cb14cdf094a90282ba546','gender','Women',20778);
CREATE TABLE chain (
	name VARCHAR(64) NOT NULL, 
	pruned_seq INTEGER NOT NULL, 
	pruned_link BLOB NOT NULL, 
	seq INTEGER NOT NULL, 
	link BLOB NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "chain" VALUES('records',0,X'0000000000000000000000000000000000000000000000000000000000000000',17,X'1A568224273564B596E792B560E923EA81B60E680BB0047A2F3CCBC5F1F19505');
CREATE TABLE checkpoints (
	seq INTEGER NOT NULL, 
	link BLOB NOT NULL, 
	at_ms BIGINT NOT NULL, 
	public_key BLOB NOT NULL, 
	signature BLOB NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "checkpoints" VALUES(17,X'1A568224273564B596E792B560E923EA81B60E680BB0047A2F3CCBC5F1F19505',1795287175013,X'61ECBFB5882349A4520CB21443B6FD55AD18D846EFDF026883A69E79A6BAC9BF',X'AD2E70F1D807EC660EC7568FFB1E67FB41DCB4C79F12C0AEDF98F554D80F34BF06B435E119A245E10B29C4759F94E1C1D95115DE6CF0E952209A9D97BC18470E');
CREATE TABLE configurations (
	sha256 VARCHAR(64) NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (sha256)
);
INSERT INTO "configurations" VALUES('df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935','{"v":1,"model":"hatexplain-toxicity","version":"1.0.0","bundle":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","adapters":{"adapter/detector.safetensors":"37067bb914a66669b11772cba0911896acb06d3c98200ab4e4c4cdfbc40b2042","adapter/gender/adapter_config.json":"f762c600ae0ac58d53438fdb6dab3693cb24b3ebbc9f3532ea6af81c6ad9afd0","adapter/gender/adapter_model.safetensors":"cef1588eaca4f980024b3706905611d763a24984dc39b1913d86fdea0263ab48","adapter/orientation/adapter_config.json":"f762c600ae0ac58d53438fdb6dab3693cb24b3ebbc9f3532ea6af81c6ad9afd0","adapter/orientation/adapter_model.safetensors":"fcd0d6424966fcf9d6cb6bc2297e285e81713fdca1d6bed6100a6532bbc82250","adapter/race/adapter_config.json":"f762c600ae0ac58d53438fdb6dab3693cb24b3ebbc9f3532ea6af81c6ad9afd0","adapter/race/adapter_model.safetensors":"d0c8d90a460a5d644aaa2a028697e49301fcdc7ecbbd81d474d28365790e3b99","adapter/religion/adapter_config.json":"f762c600ae0ac58d53438fdb6dab3693cb24b3ebbc9f3532ea6af81c6ad9afd0","adapter/religion/adapter_model.safetensors":"ecfeb2908e092c16f3507841b41670e61f10599438c064479442b562bb17739a"},"labels":["not toxic","toxic"],"favourable":["not toxic"],"attributes":{"race":{"groups":["none","African","Arab","multiple","Caucasian","Asian","Hispanic"],"reference":"none","threshold":0.2539346218109131},"religion":{"groups":["none","Islam","Jewish","multiple","Christian","Nonreligious","Hindu"],"reference":"none","threshold":0.8079049587249756},"gender":{"groups":["none","Women","multiple","Men"],"reference":"none","threshold":1.0},"orientation":{"groups":["none","Homosexual","Heterosexual","multiple","Asexual"],"reference":"none","threshold":0.578286349773407}}}');
CREATE TABLE evidence (
	model VARCHAR(64) NOT NULL, 
	attribute VARCHAR(64) NOT NULL, 
	"group" VARCHAR(64) NOT NULL, 
	metric VARCHAR(64) NOT NULL, 
	state TEXT NOT NULL, 
	PRIMARY KEY (model, attribute, "group", metric)
);
CREATE TABLE hourly_decisions (
	hour INTEGER NOT NULL, 
	model VARCHAR(64) NOT NULL, 
	attribute VARCHAR(64) NOT NULL, 
	"group" VARCHAR(64) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	base SMALLINT NOT NULL, 
	final SMALLINT NOT NULL, 
	bin SMALLINT NOT NULL, 
	n BIGINT NOT NULL, 
	score FLOAT NOT NULL, 
	PRIMARY KEY (hour, model, attribute, "group", source, base, final, bin)
)
 WITHOUT ROWID

;
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','gender','Men','declared',0,1,6,1,0.625720304108054);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','gender','Women','declared',0,0,2,1,2.89781614590485570026e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','gender','Women','declared',0,0,4,2,0.933322680742513);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','gender','Women','declared',0,1,8,1,8.35765103919869689619e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','gender','Women','declared',0,1,9,1,9.39149162778510571136e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','gender','Women','declared',1,0,2,1,2.28762221270452648091e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','gender','unflagged','inferred',0,0,4,1,4.64893862097312093872e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','gender','unflagged','inferred',0,1,5,1,5.81204017112003090694e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','gender','unflagged','inferred',0,1,6,1,0.625720304108054);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','gender','unflagged','inferred',0,1,9,1,9.95644835510462788974e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','gender','unflagged','inferred',1,1,8,1,8.35498878129449562557e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','gender','unflagged','inferred',1,1,9,1,9.49395473093243569273e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','orientation','flagged','inferred',0,1,5,1,5.81204017112003090694e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','orientation','flagged','inferred',0,1,6,1,0.625720304108054);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','orientation','flagged','inferred',1,0,2,1,2.28762221270452648091e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','orientation','flagged','inferred',1,1,9,1,9.49395473093243569273e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','orientation','unflagged','inferred',0,0,2,1,2.89781614590485570026e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','orientation','unflagged','inferred',0,0,4,3,1.39821654283982521604e+00);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','orientation','unflagged','inferred',0,1,8,1,8.35765103919869689619e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','orientation','unflagged','inferred',0,1,9,2,1.93479399828897324908e+00);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','orientation','unflagged','inferred',1,1,8,1,8.35498878129449562557e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','race','African','declared',0,0,4,1,4.64893862097312093872e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','race','African','declared',0,1,5,1,5.81204017112003090694e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','race','African','declared',1,1,8,1,8.35498878129449562557e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','race','African','declared',1,1,9,1,9.49395473093243569273e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','race','flagged','inferred',0,1,8,1,8.35765103919869689619e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','race','flagged','inferred',0,1,9,1,9.39149162778510571136e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','race','flagged','inferred',1,0,2,1,2.28762221270452648091e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','race','unflagged','inferred',0,0,2,1,2.89781614590485570026e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','race','unflagged','inferred',0,0,4,2,0.933322680742513);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','race','unflagged','inferred',0,1,6,1,0.625720304108054);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','race','unflagged','inferred',0,1,9,1,9.95644835510462788974e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','religion','flagged','inferred',0,0,4,1,4.95435087091940951076e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','religion','flagged','inferred',0,1,9,1,9.95644835510462788974e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','religion','flagged','inferred',1,1,8,1,8.35498878129449562557e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','religion','unflagged','inferred',0,0,2,1,2.89781614590485570026e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','religion','unflagged','inferred',0,0,4,2,9.0278145574788415395e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','religion','unflagged','inferred',0,1,5,1,5.81204017112003090694e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','religion','unflagged','inferred',0,1,6,1,0.625720304108054);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','religion','unflagged','inferred',0,1,8,1,8.35765103919869689619e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','religion','unflagged','inferred',0,1,9,1,9.39149162778510571136e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','religion','unflagged','inferred',1,0,2,1,2.28762221270452648091e-01);
INSERT INTO "hourly_decisions" VALUES(498690,'hatexplain-toxicity','religion','unflagged','inferred',1,1,9,1,9.49395473093243569273e-01);
CREATE TABLE hourly_outcomes (
	hour INTEGER NOT NULL, 
	model VARCHAR(64) NOT NULL, 
	attribute VARCHAR(64) NOT NULL, 
	"group" VARCHAR(64) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	base SMALLINT NOT NULL, 
	final SMALLINT NOT NULL, 
	label SMALLINT NOT NULL, 
	bin SMALLINT NOT NULL, 
	n BIGINT NOT NULL, 
	score FLOAT NOT NULL, 
	PRIMARY KEY (hour, model, attribute, "group", source, base, final, label, bin)
)
 WITHOUT ROWID

;
INSERT INTO "hourly_outcomes" VALUES(498690,'hatexplain-toxicity','gender','Women','declared',0,0,1,4,1,4.95435087091940951076e-01);
INSERT INTO "hourly_outcomes" VALUES(498690,'hatexplain-toxicity','gender','Women','declared',0,1,0,8,1,8.35765103919869689619e-01);
INSERT INTO "hourly_outcomes" VALUES(498690,'hatexplain-toxicity','orientation','unflagged','inferred',0,0,1,4,1,4.95435087091940951076e-01);
INSERT INTO "hourly_outcomes" VALUES(498690,'hatexplain-toxicity','orientation','unflagged','inferred',0,1,0,8,1,8.35765103919869689619e-01);
INSERT INTO "hourly_outcomes" VALUES(498690,'hatexplain-toxicity','race','flagged','inferred',0,1,0,8,1,8.35765103919869689619e-01);
INSERT INTO "hourly_outcomes" VALUES(498690,'hatexplain-toxicity','race','unflagged','inferred',0,0,1,4,1,4.95435087091940951076e-01);
INSERT INTO "hourly_outcomes" VALUES(498690,'hatexplain-toxicity','religion','flagged','inferred',0,0,1,4,1,4.95435087091940951076e-01);
INSERT INTO "hourly_outcomes" VALUES(498690,'hatexplain-toxicity','religion','unflagged','inferred',0,1,0,8,1,8.35765103919869689619e-01);
CREATE TABLE hourly_risk (
	hour INTEGER NOT NULL, 
	model VARCHAR(64) NOT NULL, 
	attribute VARCHAR(64) NOT NULL, 
	base SMALLINT NOT NULL, 
	final SMALLINT NOT NULL, 
	bin SMALLINT NOT NULL, 
	n BIGINT NOT NULL, 
	risk FLOAT NOT NULL, 
	risk_squared FLOAT NOT NULL, 
	PRIMARY KEY (hour, model, attribute, base, final, bin)
)
 WITHOUT ROWID

;
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','gender',0,0,0,2,6.49651169677255557743e-02,2.13392478529513766188e-03);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','gender',0,0,2,1,2.18781037337688610833e-01,0.0478651422985551);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','gender',0,0,7,1,0.763774618976614,5.83351668592871908103e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','gender',0,1,0,2,1.19305447767695693706e-01,0.00945711387112866);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','gender',0,1,2,1,2.59354014328007642653e-01,6.72645047480523866623e-02);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','gender',0,1,3,1,3.6995516654807925061e-01,1.36866825255617052814e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','gender',0,1,6,1,6.05944165678462431934e-01,3.67168331919767942927e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','gender',1,0,4,1,4.45387194054801427434e-01,1.98369752628009349271e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','gender',1,1,0,1,5.65513677268086878413e-02,3.19805719177273942502e-03);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','gender',1,1,7,1,7.23012081237465853433e-01,5.22746469615331887936e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','orientation',0,0,0,1,2.74448570908190081496e-02,7.5322018073547842426e-04);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','orientation',0,0,2,2,4.76760692012456743782e-01,1.14207402786572514985e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','orientation',0,0,4,1,4.5960346573773358525e-01,2.11235345718136041659e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','orientation',0,1,0,1,2.83474765220063096293e-02,0.000803579425165699);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','orientation',0,1,2,1,2.34330961046696373273e-01,5.4910999305068333709e-02);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','orientation',0,1,5,1,5.41412472793496579726e-01,2.93127465696368660896e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','orientation',0,1,6,2,1.21072177223703247861e+00,7.32927756967555410483e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','orientation',1,0,7,1,7.21540032340782566677e-01,5.20620018270337547861e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','orientation',1,1,0,1,8.48719951589216314857e-02,7.20325556225601647264e-03);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','orientation',1,1,9,1,9.94819562949742719482e-01,9.89665962827517065036e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','race',0,0,1,1,1.34364244112401221009e-01,1.80537500958969469866e-02);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','race',0,0,2,2,0.449683847388186,1.01243659789220008526e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','race',0,0,4,1,4.44854188725853583186e-01,1.97895249226937353093e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','race',0,1,0,1,1.31679915548741366393e-02,1.7339600158923658673e-04);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','race',0,1,2,1,2.37964627091891367527e-01,5.66271637469829211553e-02);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','race',0,1,6,2,1.32132337416298373256e+00,8.73112212714966751114e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','race',0,1,9,1,9.01427457611483573529e-01,0.812571461335903);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','race',1,0,7,1,0.762280082457942,5.81070924112086828472e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','race',1,1,4,1,4.30669640291268640552e-01,1.85476339068610718285e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','race',1,1,9,1,9.56034271889249387399e-01,9.14001529026807202349e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','religion',0,0,2,2,4.99107283190312389642e-01,1.25252455483676611303e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','religion',0,0,4,1,4.2211657558271731272e-01,1.78182403381679899112e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','religion',0,0,8,1,8.47433736937232673369e-01,7.18143938499402834096e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','religion',0,1,0,1,3.05899830335535360958e-02,9.35747061993093178638e-04);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','religion',0,1,3,1,3.08136457589144208135e-01,9.49480764955864670051e-02);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','religion',0,1,5,1,5.44229225295951857255e-01,2.96185449666231948029e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','religion',0,1,7,1,7.88723351135513173204e-01,0.622084524626434);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','religion',0,1,8,1,0.83746908209646,7.01354463467487199146e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','religion',1,0,0,1,2.10605335111069269515e-03,4.43546071772457892352e-06);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','religion',1,1,3,1,3.93531820205371363208e-01,1.54867293514152737365e-01);
INSERT INTO "hourly_risk" VALUES(498690,'hatexplain-toxicity','religion',1,1,9,1,9.47827487059349382825e-01,8.98376945225241141379e-01);
CREATE TABLE labels (
	decision VARCHAR(26) NOT NULL, 
	label VARCHAR(64) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (decision)
);
INSERT INTO "labels" VALUES('01M7ZQ8KE85AKSZ7D1H6C7Z5MY','not toxic',1795287174906);
INSERT INTO "labels" VALUES('01M7ZQ8KE8T8P6NYC5ND1WKHSS','toxic',1795287174906);
CREATE TABLE records (
	seq INTEGER NOT NULL, 
	id VARCHAR(26) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	subject VARCHAR(26), 
	body TEXT, 
	body_sha256 BLOB NOT NULL, 
	link BLOB NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "records" VALUES(1,'01M7ZQ8KE85AKSZ7D1H6C7Z5MY','decision',1795287174600,NULL,'{"v":1,"kind":"decision","id":"01M7ZQ8KE85AKSZ7D1H6C7Z5MY","time":"2026-11-21T18:52:54.600Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.13436424411240122,"religion":0.8474337369372327,"gender":0.763774618976614,"orientation":0.2550690257394217},"flagged":["religion"],"base":{"label":"toxic","score":0.5505089352112619,"favourable":false},"final":{"label":"toxic","score":0.504564912908059,"favourable":false},"p_favourable":0.49543508709194095,"corrected":false,"error":null}',X'C92FDC739B49F2B2A9D396C63276B00C8B5E4395EC2579CBE2C5E0F771F371DC',X'06AA1E69B12E98FF5BC5110CA50768BBB9CE116D8D6DDCE214B6C3678C44267F');
INSERT INTO "records" VALUES(2,'01M7ZQ8KE8T8P6NYC5ND1WKHSS','decision',1795287174600,NULL,'{"v":1,"kind":"decision","id":"01M7ZQ8KE8T8P6NYC5ND1WKHSS","time":"2026-11-21T18:52:54.600Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.651592972722763,"religion":0.7887233511355132,"gender":0.0938595867742349,"orientation":0.02834747652200631},"flagged":["race"],"base":{"label":"toxic","score":0.5672329320949466,"favourable":false},"final":{"label":"not toxic","score":0.8357651039198697,"favourable":true},"p_favourable":0.8357651039198697,"corrected":false,"error":null}',X'36C358C5EF7B44FEA383F98F15CED629D116CE6FF42C7725291460A4B5BB186C',X'562B1AD28A90298414012DAB6920A1D5E6833AC6990D7CDBDE518F8AE93B2DBB');
INSERT INTO "records" VALUES(3,'01M7ZQ8KE809SVW486H0BMV3DR','decision',1795287174600,NULL,'{"v":1,"kind":"decision","id":"01M7ZQ8KE809SVW486H0BMV3DR","time":"2026-11-21T18:52:54.600Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.762280082457942,"religion":0.0021060533511106927,"gender":0.4453871940548014,"orientation":0.7215400323407826},"flagged":["race","orientation"],"base":{"label":"not toxic","score":0.9452706955539223,"favourable":true},"final":{"label":"toxic","score":0.7712377787295474,"favourable":false},"p_favourable":0.22876222127045265,"corrected":false,"error":null}',X'EF62A65C57F68130D67465BB15E91A330F24D262FEC2019DF0953A8D24918585',X'FE5CE3BEF86AAF718AD1B446B6EDC87FA6D1CB81277C34725701237CE06E76E1');
INSERT INTO "records" VALUES(4,'01M7ZQ8KE82V263M5GA68N396K','decision',1795287174600,NULL,'{"v":1,"kind":"decision","id":"01M7ZQ8KE82V263M5GA68N396K","time":"2026-11-21T18:52:54.600Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.9014274576114836,"religion":0.030589983033553536,"gender":0.0254458609934608,"orientation":0.5414124727934966},"flagged":["race"],"base":{"label":"toxic","score":0.6187957623117876,"favourable":false},"final":{"label":"not toxic","score":0.9391491627785106,"favourable":true},"p_favourable":0.9391491627785106,"corrected":false,"error":null}',X'F80C7AA4FBFEFFB5A99F59D3D9F50BFCE29A3AD9B019E2B6DDAF8AC198E8E267',X'D70E33E591D60232A83ED4D40721DBB5B169723E38671840307F9C66062AE66B');
INSERT INTO "records" VALUES(5,'01M7ZQ8KE8J2KEGH4HVTXVJ18T','decision',1795287174600,NULL,'{"v":1,"kind":"decision","id":"01M7ZQ8KE8J2KEGH4HVTXVJ18T","time":"2026-11-21T18:52:54.600Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.21659939713061338,"religion":0.4221165755827173,"gender":0.029040787574867943,"orientation":0.22169166627303505},"flagged":[],"base":{"label":"toxic","score":0.5041877586181494,"favourable":false},"final":{"label":"toxic","score":0.5621124063494279,"favourable":false},"p_favourable":0.43788759365057206,"corrected":false,"error":null}',X'AAAE78B13D5B425084C0D35CC897BA80DF1415DB7731B53F8B7243547A38E462',X'8501E4302CF457B63872BDAF4BFBDC0B111DE58298CB65CC0CE76F9E34D80A9C');
INSERT INTO "records" VALUES(6,'01M7ZQ8KE80DXTHDCRTP6AETH7','decision',1795287174600,NULL,'{"v":1,"kind":"decision","id":"01M7ZQ8KE80DXTHDCRTP6AETH7","time":"2026-11-21T18:52:54.600Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.23308445025757263,"religion":0.2308665415409843,"gender":0.2187810373376886,"orientation":0.4596034657377336},"flagged":[],"base":{"label":"toxic","score":0.9785102947340911,"favourable":false},"final":{"label":"toxic","score":0.7102183854095144,"favourable":false},"p_favourable":0.28978161459048557,"corrected":false,"error":null}',X'07BC62A0977F7095717820C639879D9CD10A4AB82935F8B3ED924D3EA9E689D2',X'026EBB984DD0D55DB5E221ACA4382C49E88D06FCBEF8233981DA1AF7239BA36D');
INSERT INTO "records" VALUES(7,'01M7ZQ8KE8S90VCQ25CPBNPQ68','decision',1795287174600,NULL,'{"v":1,"kind":"decision","id":"01M7ZQ8KE8S90VCQ25CPBNPQ68","time":"2026-11-21T18:52:54.600Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.9560342718892494,"religion":0.9478274870593494,"gender":0.05655136772680869,"orientation":0.08487199515892163},"flagged":["race","religion"],"base":{"label":"not toxic","score":0.7359699890685233,"favourable":true},"final":{"label":"not toxic","score":0.8354988781294496,"favourable":true},"p_favourable":0.8354988781294496,"corrected":false,"error":null}',X'0B0C7960460A3275D3600EAB46EC5AB6A341F3DC067854C7AD51C9BDE24F185E',X'2141CCCCE8DB3AE8FEB37CCCDA1400124C167BB3437CBC1589C6E1E1CEE08AF1');
INSERT INTO "records" VALUES(8,'01M7ZQ8KE8HJ5WN3XNJGRD90C3','decision',1795287174600,NULL,'{"v":1,"kind":"decision","id":"01M7ZQ8KE8HJ5WN3XNJGRD90C3","time":"2026-11-21T18:52:54.600Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.6697304014402209,"religion":0.3081364575891442,"gender":0.6059441656784624,"orientation":0.6068017336408379},"flagged":["race","orientation"],"base":{"label":"toxic","score":0.8416171297451944,"favourable":false},"final":{"label":"not toxic","score":0.5812040171120031,"favourable":true},"p_favourable":0.5812040171120031,"corrected":false,"error":null}',X'65E58C8B58873D1F5D526A5D4E790496A13203D3C8683E38801FCBBC982556E5',X'84C84783DB3FA324D7F3113D8372E44A006E6EDA680E5CAA0C199A49F7C899C4');
INSERT INTO "records" VALUES(9,'01M7ZQ8KE8WZZ0HQR1M1JK7QFF','decision',1795287174600,NULL,'{"v":1,"kind":"decision","id":"01M7ZQ8KE8WZZ0HQR1M1JK7QFF","time":"2026-11-21T18:52:54.600Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.43066964029126864,"religion":0.39353182020537136,"gender":0.7230120812374659,"orientation":0.9948195629497427},"flagged":["race","orientation"],"base":{"label":"not toxic","score":0.5441770474293208,"favourable":true},"final":{"label":"not toxic","score":0.9493954730932436,"favourable":true},"p_favourable":0.9493954730932436,"corrected":false,"error":null}',X'9F9D41F0CC1F16584BE2D19F8DF1038CE57221CC037F04C7FB338EEEAD517370',X'2BAD4F8C5E837BB017AD8DA22ACB1091EFD729DC5C7A3D4E672F7F2B0DA20B9C');
INSERT INTO "records" VALUES(10,'01M7ZQ8KE8VV8K861WXJCD4SBC','decision',1795287174600,NULL,'{"v":1,"kind":"decision","id":"01M7ZQ8KE8VV8K861WXJCD4SBC","time":"2026-11-21T18:52:54.600Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.4448541887258536,"religion":0.2682407416493281,"gender":0.03592432939285761,"orientation":0.027444857090819008},"flagged":["race"],"base":{"label":"toxic","score":0.6815348721463226,"favourable":false},"final":{"label":"toxic","score":0.5351061379026879,"favourable":false},"p_favourable":0.4648938620973121,"corrected":false,"error":null}',X'1D9171B624E8EAE0294E900704A977C511FBB53974B232EE9D6F6E285EBFB06E',X'69BDB4877E1FD02ECD233D7B184078A6A5AB95731D040A315570E867F6FD76C0');
INSERT INTO "records" VALUES(11,'01M7ZQ8KE88Z0P9RG53TEPKXMV','decision',1795287174600,NULL,'{"v":1,"kind":"decision","id":"01M7ZQ8KE88Z0P9RG53TEPKXMV","time":"2026-11-21T18:52:54.600Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":[],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.23796462709189137,"religion":0.5442292252959519,"gender":0.36995516654807925,"orientation":0.6039200385961945},"flagged":["orientation"],"base":{"label":"toxic","score":0.9344711407601869,"favourable":false},"final":{"label":"not toxic","score":0.625720304108054,"favourable":true},"p_favourable":0.625720304108054,"corrected":false,"error":null}',X'D237B20ECA628D7669399D99217F71B0D74700CB8E0EA504E00DD8CF3BEFED1F',X'EE1C06D38962C93C176B910711915AB59AF3E49BA98EF2D1790F4EC01BEEF6FA');
INSERT INTO "records" VALUES(12,'01M7ZQ8KE8TNRFD5D5NNTRDD63','decision',1795287174600,NULL,'{"v":1,"kind":"decision","id":"01M7ZQ8KE8TNRFD5D5NNTRDD63","time":"2026-11-21T18:52:54.600Z","model":"hatexplain-toxicity","version":"1.0.0","configuration":"df5184e5ae7b6dd82cf654122dac3d378992c562afb936fc9898646a578fb935","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":[],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.013167991554874137,"religion":0.83746908209646,"gender":0.25935401432800764,"orientation":0.23433096104669637},"flagged":["religion"],"base":{"label":"toxic","score":0.5297364924775521,"favourable":false},"final":{"label":"not toxic","score":0.9956448355104628,"favourable":true},"p_favourable":0.9956448355104628,"corrected":false,"error":null}',X'E296923A8797CE3FC586AF5D2B46636CD2FCABE6F135B19269B6C073E15FEA8D',X'74D966141EBA1CA6C0D4A3B878EFACFDF86A6ECDDEC190C71A880F395A2970EB');
INSERT INTO "records" VALUES(13,'01M7ZQ8KQT4EEPNHBCYF6W7QHJ','label',1795287174906,'01M7ZQ8KE85AKSZ7D1H6C7Z5MY','{"v":1,"kind":"label","id":"01M7ZQ8KQT4EEPNHBCYF6W7QHJ","time":"2026-11-21T18:52:54.906Z","subject":"01M7ZQ8KE85AKSZ7D1H6C7Z5MY","label":"not toxic","favourable":true}',X'CF9E416AAFCD47C173EEBAB0B1821B12A5840D3CF108B5CC29ED6BEA17580B3A',X'BB5526B25631F7BE59D9B2EA11EC67AEFE6E6DD348A04AFF263C1DAE4CB99F5D');
INSERT INTO "records" VALUES(14,'01M7ZQ8KQTAVDY6D1BKS6ZGMAP','label',1795287174906,'01M7ZQ8KE8T8P6NYC5ND1WKHSS','{"v":1,"kind":"label","id":"01M7ZQ8KQTAVDY6D1BKS6ZGMAP","time":"2026-11-21T18:52:54.906Z","subject":"01M7ZQ8KE8T8P6NYC5ND1WKHSS","label":"toxic","favourable":false}',X'D4FE6671BA93E166FE6109F008CEB4A9D3C5C82BF5BF0695B50FBD1945952F2B',X'7410D28070766008024F984A75A53767490EC4BEF443EB19B90B8C67E38E1060');
INSERT INTO "records" VALUES(15,'01M7ZQ8KQTN5G21HW7920WJVT8','groups',1795287174906,'01M7ZQ8KE88Z0P9RG53TEPKXMV','{"v":1,"kind":"groups","id":"01M7ZQ8KQTN5G21HW7920WJVT8","time":"2026-11-21T18:52:54.906Z","subject":"01M7ZQ8KE88Z0P9RG53TEPKXMV","attributes":["gender"]}',X'74C8030292D80F2056E4886B137DB68955CA605594849B672026D448C3E2C748',X'9F81E76AB4AE8F6AFE7927A45D79C172ABA52C2120C0E53E1CCFD66D1D7EF5F0');
INSERT INTO "records" VALUES(16,'01M7ZQ8KRMVT845JKJAG3FY39K','override',1795287174932,'01M7ZQ8KE809SVW486H0BMV3DR','{"v":1,"kind":"override","id":"01M7ZQ8KRMVT845JKJAG3FY39K","time":"2026-11-21T18:52:54.932Z","subject":"01M7ZQ8KE809SVW486H0BMV3DR","label":"not toxic","by":"a reviewer","reason":"seen again"}',X'1EE7135C096748E4C4F7CA486E5CDBEA932F1DC690BD73089F2DBF1F87AEE42E',X'32D02C8DB472CB13BDEDB6AB9D1EBA9637876D0E10B5D55B58BD3CFE11EBDAB8');
INSERT INTO "records" VALUES(17,'01M7ZQ8KS01VCHK83BXGY65R1X','mode',1795287174944,NULL,'{"v":1,"kind":"mode","id":"01M7ZQ8KS01VCHK83BXGY65R1X","time":"2026-11-21T18:52:54.944Z","model":"hatexplain-toxicity","attribute":null,"mode":"shadow"}',X'F35E4B5E6FABEAD9BADC078A85CCE45BD5CB7D4328EBD888BDCE68C0EB738979',X'1A568224273564B596E792B560E923EA81B60E680BB0047A2F3CCBC5F1F19505');
CREATE UNIQUE INDEX records_id ON records (id);
CREATE INDEX records_subject ON records (subject);
CREATE INDEX records_at_ms ON records (at_ms);
CREATE INDEX attributes_day ON attributes (day);
COMMIT;
