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
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE attributes (
	pseudonym VARCHAR(32) NOT NULL, 
	attribute VARCHAR(64) NOT NULL, 
	"group" VARCHAR(64) NOT NULL, 
	day INTEGER NOT NULL, 
	PRIMARY KEY (pseudonym, attribute)
)
 WITHOUT ROWID

;
INSERT INTO "attributes" VALUES('084d36d124bab75538aad54b31758415','gender','Women',20787);
INSERT INTO "attributes" VALUES('16deccb54e799919bf74c9dfe4f64fd3','gender','Women',20787);
INSERT INTO "attributes" VALUES('181b3a0be8a3922dac6d9deddb726cf9','gender','Men',20787);
INSERT INTO "attributes" VALUES('83110dc3494cb67a2bbcb81c65516200','gender','Women',20787);
INSERT INTO "attributes" VALUES('8560f6acfa99416031daf1b467431872','race','African',20787);
INSERT INTO "attributes" VALUES('8f124112a9b25a53d870d60578b8cae4','gender','Women',20787);
INSERT INTO "attributes" VALUES('b291a26acd3bd43afe4d01c7cbb40448','race','African',20787);
INSERT INTO "attributes" VALUES('b373904601dcfbf8deb3cf72f73586a6','race','African',20787);
INSERT INTO "attributes" VALUES('c2b8f11c8a8ba53eb4644c60ca99d27f','gender','Women',20787);
INSERT INTO "attributes" VALUES('c7ab8d69e18bdc65cc36219c36f786fd','race','African',20787);
INSERT INTO "attributes" VALUES('d78c3cc3b17029a1c00d976696b87912','gender','Women',20787);
CREATE TABLE chain (
	name VARCHAR(64) NOT NULL, 
	pruned_seq INTEGER NOT NULL, 
	pruned_link BLOB NOT NULL, 
	seq INTEGER NOT NULL, 
	link BLOB NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "chain" VALUES('records',0,X'0000000000000000000000000000000000000000000000000000000000000000',17,X'E4C69D634FE63F04D4911BC950E52CD6C656907D3E1A07D7CE843487798450B5');
CREATE TABLE checkpoints (
	seq INTEGER NOT NULL, 
	link BLOB NOT NULL, 
	at_ms BIGINT NOT NULL, 
	public_key BLOB NOT NULL, 
	signature BLOB NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "checkpoints" VALUES(17,X'E4C69D634FE63F04D4911BC950E52CD6C656907D3E1A07D7CE843487798450B5',1796058247815,X'E588827CCF307B657262ACF726DB9E51967118A2CA0396BE4C037543CD174627',X'11116954D5BB87A22C33DBFD827D138442B649741788951976D586BD177CDA35FD6D32C24542A84D3A3769EB0CDD417D9AB552C546ACAE5F4841A45D56535E05');
CREATE TABLE configurations (
	sha256 VARCHAR(64) NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (sha256)
);
INSERT INTO "configurations" VALUES('641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053','{"v":1,"model":"hate-speech","version":"1.0.0","bundle":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","adapters":{"adapter/any_group/adapter_config.json":"5562603c25e23cfc718087f13a1648e9abce6cf06cca2a87e6535772d0932083","adapter/any_group/adapter_model.safetensors":"0ccfa449e29b3623e09051e8cb8fc4396f153fc5905d9ebb59e76db09f53c32a","adapter/detector.safetensors":"0496aced72ed5791c5ecc5785b919f52ddffbaadf9736df47e1fc6975c4658e2"},"labels":["hate","not hate"],"favourable":["not hate"],"attributes":{"race":{"groups":["none","African","Arab","Asian","multiple"],"reference":"none","threshold":0.5},"religion":{"groups":["none","Islam","Jewish"],"reference":"none","threshold":0.5},"gender":{"groups":["none","Women","Men"],"reference":"none","threshold":0.5},"orientation":{"groups":["none","Homosexual"],"reference":"none","threshold":0.5}}}');
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
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','gender','Men','declared',1,0,3,1,0.374279695891946);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','gender','Women','declared',0,1,7,1,7.71237778729547351908e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','gender','Women','declared',1,0,0,1,6.08508372214894288632e-02);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','gender','Women','declared',1,0,1,1,1.6423489608013031038e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','gender','Women','declared',1,1,5,2,1.06667731925748698884e+00);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','gender','Women','declared',1,1,7,1,7.10218385409514429973e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','gender','flagged','inferred',0,0,0,1,5.06045269067564307263e-02);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','gender','flagged','inferred',1,0,4,1,4.18795982887996909305e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','gender','unflagged','inferred',0,0,1,1,1.64501121870550437442e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','gender','unflagged','inferred',1,0,0,1,4.35516448953721102554e-03);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','gender','unflagged','inferred',1,0,3,1,0.374279695891946);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','gender','unflagged','inferred',1,1,5,1,5.35106137902687906127e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','orientation','flagged','inferred',0,0,0,1,5.06045269067564307263e-02);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','orientation','flagged','inferred',0,1,7,1,7.71237778729547351908e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','orientation','flagged','inferred',1,0,0,1,6.08508372214894288632e-02);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','orientation','flagged','inferred',1,0,3,1,0.374279695891946);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','orientation','flagged','inferred',1,0,4,1,4.18795982887996909305e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','orientation','unflagged','inferred',0,0,1,1,1.64501121870550437442e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','orientation','unflagged','inferred',1,0,0,1,4.35516448953721102554e-03);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','orientation','unflagged','inferred',1,0,1,1,1.6423489608013031038e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','orientation','unflagged','inferred',1,1,5,3,1.60178345716017478395e+00);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','orientation','unflagged','inferred',1,1,7,1,7.10218385409514429973e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','race','African','declared',0,0,0,1,5.06045269067564307263e-02);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','race','African','declared',0,0,1,1,1.64501121870550437442e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','race','African','declared',1,0,4,1,4.18795982887996909305e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','race','African','declared',1,1,5,1,5.35106137902687906127e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','race','flagged','inferred',0,1,7,1,7.71237778729547351908e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','race','flagged','inferred',1,0,0,1,6.08508372214894288632e-02);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','race','flagged','inferred',1,0,1,1,1.6423489608013031038e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','race','unflagged','inferred',1,0,0,1,4.35516448953721102554e-03);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','race','unflagged','inferred',1,0,3,1,0.374279695891946);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','race','unflagged','inferred',1,1,5,2,1.06667731925748698884e+00);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','race','unflagged','inferred',1,1,7,1,7.10218385409514429973e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','religion','flagged','inferred',0,0,1,1,1.64501121870550437442e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','religion','flagged','inferred',1,0,0,1,4.35516448953721102554e-03);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','religion','flagged','inferred',1,0,1,1,1.6423489608013031038e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','religion','flagged','inferred',1,0,3,1,0.374279695891946);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','religion','flagged','inferred',1,1,5,1,0.504564912908059);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','religion','unflagged','inferred',0,0,0,1,5.06045269067564307263e-02);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','religion','unflagged','inferred',0,1,7,1,7.71237778729547351908e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','religion','unflagged','inferred',1,0,0,1,6.08508372214894288632e-02);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','religion','unflagged','inferred',1,0,4,1,4.18795982887996909305e-01);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','religion','unflagged','inferred',1,1,5,2,1.09721854425211584604e+00);
INSERT INTO "hourly_decisions" VALUES(498905,'hate-speech','religion','unflagged','inferred',1,1,7,1,7.10218385409514429973e-01);
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
INSERT INTO "hourly_outcomes" VALUES(498905,'hate-speech','gender','Women','declared',1,0,1,1,1,1.6423489608013031038e-01);
INSERT INTO "hourly_outcomes" VALUES(498905,'hate-speech','gender','Women','declared',1,1,0,5,1,0.504564912908059);
INSERT INTO "hourly_outcomes" VALUES(498905,'hate-speech','orientation','unflagged','inferred',1,0,1,1,1,1.6423489608013031038e-01);
INSERT INTO "hourly_outcomes" VALUES(498905,'hate-speech','orientation','unflagged','inferred',1,1,0,5,1,0.504564912908059);
INSERT INTO "hourly_outcomes" VALUES(498905,'hate-speech','race','flagged','inferred',1,0,1,1,1,1.6423489608013031038e-01);
INSERT INTO "hourly_outcomes" VALUES(498905,'hate-speech','race','unflagged','inferred',1,1,0,5,1,0.504564912908059);
INSERT INTO "hourly_outcomes" VALUES(498905,'hate-speech','religion','flagged','inferred',1,0,1,1,1,1.6423489608013031038e-01);
INSERT INTO "hourly_outcomes" VALUES(498905,'hate-speech','religion','flagged','inferred',1,1,0,5,1,0.504564912908059);
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
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','gender',0,0,0,1,5.65513677268086878413e-02,3.19805719177273942502e-03);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','gender',0,0,7,1,7.23012081237465853433e-01,5.22746469615331887936e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','gender',0,1,4,1,4.45387194054801427434e-01,1.98369752628009349271e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','gender',1,0,0,2,1.19305447767695693706e-01,0.00945711387112866);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','gender',1,0,2,1,2.59354014328007642653e-01,6.72645047480523866623e-02);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','gender',1,0,3,1,3.6995516654807925061e-01,1.36866825255617052814e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','gender',1,0,6,1,6.05944165678462431934e-01,3.67168331919767942927e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','gender',1,1,0,2,6.49651169677255557743e-02,2.13392478529513766188e-03);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','gender',1,1,2,1,2.18781037337688610833e-01,0.0478651422985551);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','gender',1,1,7,1,0.763774618976614,5.83351668592871908103e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','orientation',0,0,0,1,8.48719951589216314857e-02,7.20325556225601647264e-03);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','orientation',0,0,9,1,9.94819562949742719482e-01,9.89665962827517065036e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','orientation',0,1,7,1,7.21540032340782566677e-01,5.20620018270337547861e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','orientation',1,0,0,1,2.83474765220063096293e-02,0.000803579425165699);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','orientation',1,0,2,1,2.34330961046696373273e-01,5.4910999305068333709e-02);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','orientation',1,0,5,1,5.41412472793496579726e-01,2.93127465696368660896e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','orientation',1,0,6,2,1.21072177223703247861e+00,7.32927756967555410483e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','orientation',1,1,0,1,2.74448570908190081496e-02,7.5322018073547842426e-04);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','orientation',1,1,2,2,4.76760692012456743782e-01,1.14207402786572514985e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','orientation',1,1,4,1,4.5960346573773358525e-01,2.11235345718136041659e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','race',0,0,4,1,4.30669640291268640552e-01,1.85476339068610718285e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','race',0,0,9,1,9.56034271889249387399e-01,9.14001529026807202349e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','race',0,1,7,1,0.762280082457942,5.81070924112086828472e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','race',1,0,0,1,1.31679915548741366393e-02,1.7339600158923658673e-04);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','race',1,0,2,1,2.37964627091891367527e-01,5.66271637469829211553e-02);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','race',1,0,6,2,1.32132337416298373256e+00,8.73112212714966751114e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','race',1,0,9,1,9.01427457611483573529e-01,0.812571461335903);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','race',1,1,1,1,1.34364244112401221009e-01,1.80537500958969469866e-02);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','race',1,1,2,2,0.449683847388186,1.01243659789220008526e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','race',1,1,4,1,4.44854188725853583186e-01,1.97895249226937353093e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','religion',0,0,3,1,3.93531820205371363208e-01,1.54867293514152737365e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','religion',0,0,9,1,9.47827487059349382825e-01,8.98376945225241141379e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','religion',0,1,0,1,2.10605335111069269515e-03,4.43546071772457892352e-06);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','religion',1,0,0,1,3.05899830335535360958e-02,9.35747061993093178638e-04);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','religion',1,0,3,1,3.08136457589144208135e-01,9.49480764955864670051e-02);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','religion',1,0,5,1,5.44229225295951857255e-01,2.96185449666231948029e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','religion',1,0,7,1,7.88723351135513173204e-01,0.622084524626434);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','religion',1,0,8,1,0.83746908209646,7.01354463467487199146e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','religion',1,1,2,2,4.99107283190312389642e-01,1.25252455483676611303e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','religion',1,1,4,1,4.2211657558271731272e-01,1.78182403381679899112e-01);
INSERT INTO "hourly_risk" VALUES(498905,'hate-speech','religion',1,1,8,1,8.47433736937232673369e-01,7.18143938499402834096e-01);
CREATE TABLE labels (
	decision VARCHAR(26) NOT NULL, 
	label VARCHAR(64) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (decision)
);
INSERT INTO "labels" VALUES('01M8PPKW4TCXW884Z2MZ5E8A5E','hate',1796058247651);
INSERT INTO "labels" VALUES('01M8PPKW4TK6BFMGCS4BK7JKR7','not hate',1796058247652);
CREATE TABLE own_ids (
	pseudonym VARCHAR(32) NOT NULL, 
	decision VARCHAR(26) NOT NULL, 
	model VARCHAR(64) NOT NULL, 
	PRIMARY KEY (pseudonym, decision)
)
 WITHOUT ROWID

;
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
INSERT INTO "records" VALUES(1,'01M8PPKW4TCXW884Z2MZ5E8A5E','decision',1796058247322,NULL,'{"v":1,"kind":"decision","id":"01M8PPKW4TCXW884Z2MZ5E8A5E","time":"2026-11-30T17:04:07.322Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.13436424411240122,"religion":0.8474337369372327,"gender":0.763774618976614,"orientation":0.2550690257394217},"flagged":["religion","gender"],"base":{"label":"not hate","score":0.5505089352112619,"favourable":true},"final":{"label":"not hate","score":0.504564912908059,"favourable":true},"p_favourable":0.504564912908059,"corrected":false,"error":null}',X'B46B468085FCF84D97AD43FC7B5F5FA99D4E557ECFE57324D338A33DAED771FD',X'1D4232006D6A45FE84B7A7B7834A3B0431874F9FD309B698B234D65628D9508D');
INSERT INTO "records" VALUES(2,'01M8PPKW4TK6BFMGCS4BK7JKR7','decision',1796058247322,NULL,'{"v":1,"kind":"decision","id":"01M8PPKW4TK6BFMGCS4BK7JKR7","time":"2026-11-30T17:04:07.322Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.651592972722763,"religion":0.7887233511355132,"gender":0.0938595867742349,"orientation":0.02834747652200631},"flagged":["race","religion"],"base":{"label":"not hate","score":0.5672329320949466,"favourable":true},"final":{"label":"hate","score":0.8357651039198697,"favourable":false},"p_favourable":0.1642348960801303,"corrected":false,"error":null}',X'01386A03586B7D555F6885881FAFBC1C19FB914CA7B7D0536F0B370EB66C97BC',X'3C6BC9A2A50C7DAE179468040CCF24E730527949AF4CF90495A4ACF0D808AE47');
INSERT INTO "records" VALUES(3,'01M8PPKW4T2DR91C9AZ658RJ7F','decision',1796058247322,NULL,'{"v":1,"kind":"decision","id":"01M8PPKW4T2DR91C9AZ658RJ7F","time":"2026-11-30T17:04:07.322Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.762280082457942,"religion":0.0021060533511106927,"gender":0.4453871940548014,"orientation":0.7215400323407826},"flagged":["race","orientation"],"base":{"label":"hate","score":0.9452706955539223,"favourable":false},"final":{"label":"not hate","score":0.7712377787295474,"favourable":true},"p_favourable":0.7712377787295474,"corrected":false,"error":null}',X'E5ED4C5AB8E321A05A64E80AA95A22E6BE50686245E536F727367704BC108938',X'E098057D820658D6E764A104C130826985E8EEE0D4D81FEC52569F5796F83C25');
INSERT INTO "records" VALUES(4,'01M8PPKW4TEJAPP87Y7ZFD2MMP','decision',1796058247322,NULL,'{"v":1,"kind":"decision","id":"01M8PPKW4TEJAPP87Y7ZFD2MMP","time":"2026-11-30T17:04:07.322Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.9014274576114836,"religion":0.030589983033553536,"gender":0.0254458609934608,"orientation":0.5414124727934966},"flagged":["race","orientation"],"base":{"label":"not hate","score":0.6187957623117876,"favourable":true},"final":{"label":"hate","score":0.9391491627785106,"favourable":false},"p_favourable":0.06085083722148943,"corrected":false,"error":null}',X'8A18F0902C66499CAD732CC32C10B49CDE7C69C8839B9A223772F5C2CA186860',X'E08AC848BFFBA2B13580C58B99E57D4581668DF30B9685EFBCC3A600ACF43513');
INSERT INTO "records" VALUES(5,'01M8PPKW4TZ9KCB78YCF07DDZ9','decision',1796058247322,NULL,'{"v":1,"kind":"decision","id":"01M8PPKW4TZ9KCB78YCF07DDZ9","time":"2026-11-30T17:04:07.322Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.21659939713061338,"religion":0.4221165755827173,"gender":0.029040787574867943,"orientation":0.22169166627303505},"flagged":[],"base":{"label":"not hate","score":0.5041877586181494,"favourable":true},"final":{"label":"not hate","score":0.5621124063494279,"favourable":true},"p_favourable":0.5621124063494279,"corrected":false,"error":null}',X'1B857C60B2F1A7FDE2A790AD7C111B05CCB49C5BB673BED3B8C2603A01A454D7',X'27F5E2BB3FD4D161F072600CF12A9C44FBFA293B37F71A0204026DDCDAC076FE');
INSERT INTO "records" VALUES(6,'01M8PPKW4T73G4VTEMBAW1W559','decision',1796058247322,NULL,'{"v":1,"kind":"decision","id":"01M8PPKW4T73G4VTEMBAW1W559","time":"2026-11-30T17:04:07.322Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["gender"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.23308445025757263,"religion":0.2308665415409843,"gender":0.2187810373376886,"orientation":0.4596034657377336},"flagged":[],"base":{"label":"not hate","score":0.9785102947340911,"favourable":true},"final":{"label":"not hate","score":0.7102183854095144,"favourable":true},"p_favourable":0.7102183854095144,"corrected":false,"error":null}',X'83CE7771AC90A514113E1A56639271A39109CF1B6779247ACB909D71D3A5E183',X'94E652BB4C157DC520F441D24D6CD276B5F629542B86AC86618A3A6A9AA7D974');
INSERT INTO "records" VALUES(7,'01M8PPKW4TWGGFTKETM3ZQV1DB','decision',1796058247322,NULL,'{"v":1,"kind":"decision","id":"01M8PPKW4TWGGFTKETM3ZQV1DB","time":"2026-11-30T17:04:07.322Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.9560342718892494,"religion":0.9478274870593494,"gender":0.05655136772680869,"orientation":0.08487199515892163},"flagged":["race","religion"],"base":{"label":"hate","score":0.7359699890685233,"favourable":false},"final":{"label":"hate","score":0.8354988781294496,"favourable":false},"p_favourable":0.16450112187055044,"corrected":false,"error":null}',X'014B05B5764ECFA4A597CD852695496A60E179FD1CDCA6F16D1B7E998B474279',X'F98B6A9BA75778B10154EE69385797AD4EEF538D9186B1D418C4629039C3BC75');
INSERT INTO "records" VALUES(8,'01M8PPKW4TH8RC8RZ14BRGRA1R','decision',1796058247322,NULL,'{"v":1,"kind":"decision","id":"01M8PPKW4TH8RC8RZ14BRGRA1R","time":"2026-11-30T17:04:07.322Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.6697304014402209,"religion":0.3081364575891442,"gender":0.6059441656784624,"orientation":0.6068017336408379},"flagged":["race","gender","orientation"],"base":{"label":"not hate","score":0.8416171297451944,"favourable":true},"final":{"label":"hate","score":0.5812040171120031,"favourable":false},"p_favourable":0.4187959828879969,"corrected":false,"error":null}',X'C1B0C053082F8B3688B12F283FDBF5843A4FDCA4332703A7DF63EE2AD04CBE17',X'A0D95B69F2C3FD7BF42C0B305D668C99C20D94A7D788D3B4AF6B05EDC6E8A927');
INSERT INTO "records" VALUES(9,'01M8PPKW4T05R1QHQVQ1FKRD26','decision',1796058247322,NULL,'{"v":1,"kind":"decision","id":"01M8PPKW4T05R1QHQVQ1FKRD26","time":"2026-11-30T17:04:07.322Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.43066964029126864,"religion":0.39353182020537136,"gender":0.7230120812374659,"orientation":0.9948195629497427},"flagged":["gender","orientation"],"base":{"label":"hate","score":0.5441770474293208,"favourable":false},"final":{"label":"hate","score":0.9493954730932436,"favourable":false},"p_favourable":0.05060452690675643,"corrected":false,"error":null}',X'DFBAEDA31B7ED5E3DBFBBAB4E2FC876D5DE1857166CFAED17E0008983FCB3E6C',X'0275374F969751C94F74438EAD592D1DB6801EF287B522B69B426AC3EC658AFD');
INSERT INTO "records" VALUES(10,'01M8PPKW4T0K67YF18Y9KK6WYH','decision',1796058247322,NULL,'{"v":1,"kind":"decision","id":"01M8PPKW4T0K67YF18Y9KK6WYH","time":"2026-11-30T17:04:07.322Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":["race"],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.4448541887258536,"religion":0.2682407416493281,"gender":0.03592432939285761,"orientation":0.027444857090819008},"flagged":[],"base":{"label":"not hate","score":0.6815348721463226,"favourable":true},"final":{"label":"not hate","score":0.5351061379026879,"favourable":true},"p_favourable":0.5351061379026879,"corrected":false,"error":null}',X'0B10A381219C4E7A649F16F121FD28ED507B5986374EA8D1EEFAA6C6089D247F',X'53D155EF53C073E265BC85178B6BC86A6DC7C474F18B691E40839D49ABB80E9D');
INSERT INTO "records" VALUES(11,'01M8PPKW4T1S44W4S0PDFV7NKA','decision',1796058247323,NULL,'{"v":1,"kind":"decision","id":"01M8PPKW4T1S44W4S0PDFV7NKA","time":"2026-11-30T17:04:07.323Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":[],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.23796462709189137,"religion":0.5442292252959519,"gender":0.36995516654807925,"orientation":0.6039200385961945},"flagged":["religion","orientation"],"base":{"label":"not hate","score":0.9344711407601869,"favourable":true},"final":{"label":"hate","score":0.625720304108054,"favourable":false},"p_favourable":0.374279695891946,"corrected":false,"error":null}',X'10634B57AAEFAE13127A34B37114542BFD8A05489E920622B7089FCA7ADA13CE',X'7082DCB369BB0AFE169F72B1DBC2891D2A96F4441BC47EB43620E0E82FC295AB');
INSERT INTO "records" VALUES(12,'01M8PPKW4TVZVGZP0A7947Z8RA','decision',1796058247323,NULL,'{"v":1,"kind":"decision","id":"01M8PPKW4TVZVGZP0A7947Z8RA","time":"2026-11-30T17:04:07.323Z","model":"hate-speech","version":"1.0.0","configuration":"641af074318207b5ac0d0358a5d3ae3fdc48ad4199a154892217efe5247ca053","input":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","declared":[],"latency_s":0.012,"replica":"r1","mode":{"race":"apply","religion":"apply","gender":"apply","orientation":"apply"},"risk":{"race":0.013167991554874137,"religion":0.83746908209646,"gender":0.25935401432800764,"orientation":0.23433096104669637},"flagged":["religion"],"base":{"label":"not hate","score":0.5297364924775521,"favourable":true},"final":{"label":"hate","score":0.9956448355104628,"favourable":false},"p_favourable":0.004355164489537211,"corrected":false,"error":null}',X'9C38CF4843565E176938CC25932996C10A7386B5834C774F53E0664890D4CE22',X'BA210EDBC824528DCFED5B18AA71771A4EC3E49B78A90DF3F9F079B4C02FB153');
INSERT INTO "records" VALUES(13,'01M8PPKWF3RRBQX3E2XCXNKJF2','label',1796058247651,'01M8PPKW4TCXW884Z2MZ5E8A5E','{"v":1,"kind":"label","id":"01M8PPKWF3RRBQX3E2XCXNKJF2","time":"2026-11-30T17:04:07.651Z","subject":"01M8PPKW4TCXW884Z2MZ5E8A5E","label":"hate","favourable":false}',X'47F9A4B7CE7FF10F9293E6140BF88877771FF9586EF488EF64AE62DD1140C227',X'D0F10442AADE24CACF85A065581745BB64EF18590510F6F3CFC3550FC6AF92C1');
INSERT INTO "records" VALUES(14,'01M8PPKWF4WXBHQFA2A8NCGM7H','label',1796058247652,'01M8PPKW4TK6BFMGCS4BK7JKR7','{"v":1,"kind":"label","id":"01M8PPKWF4WXBHQFA2A8NCGM7H","time":"2026-11-30T17:04:07.652Z","subject":"01M8PPKW4TK6BFMGCS4BK7JKR7","label":"not hate","favourable":true}',X'C3D792F6A9D327179848CC51A794EBB3A4565EBA9AA0C6418623F3A9ACE878A0',X'BBE66ABDDBCDF55F9E4FF6BDE2213B0B2812F485350BA29064E8C589EA95C758');
INSERT INTO "records" VALUES(15,'01M8PPKWF4E4W7X6JDH5YPF7J3','groups',1796058247652,'01M8PPKW4T1S44W4S0PDFV7NKA','{"v":1,"kind":"groups","id":"01M8PPKWF4E4W7X6JDH5YPF7J3","time":"2026-11-30T17:04:07.652Z","subject":"01M8PPKW4T1S44W4S0PDFV7NKA","attributes":["gender"]}',X'834CDD04A576422766D9C0F246DD4FEC309FFA4B16730C9A81ED76AF7ECEEAF8',X'97C25AEC6EB79901A407DAD1B6675A80043DC8C3F1BEDC54245C0FDC0A785C8B');
INSERT INTO "records" VALUES(16,'01M8PPKWG4YF716Z33R1RTGFHV','override',1796058247684,'01M8PPKW4T2DR91C9AZ658RJ7F','{"v":1,"kind":"override","id":"01M8PPKWG4YF716Z33R1RTGFHV","time":"2026-11-30T17:04:07.684Z","subject":"01M8PPKW4T2DR91C9AZ658RJ7F","label":"hate","by":"a reviewer","reason":"seen again"}',X'67419A26DBD9F224B2A8B0C5ED499947565BB21F7CF43155D3A530F3303F87C6',X'2762A85EE8DD9FAA95446E2346250158AC93FA0C573F667FC03E09614AB3E369');
INSERT INTO "records" VALUES(17,'01M8PPKWGJ4JQZFTP1N118BKG8','mode',1796058247698,NULL,'{"v":1,"kind":"mode","id":"01M8PPKWGJ4JQZFTP1N118BKG8","time":"2026-11-30T17:04:07.698Z","model":"hate-speech","attribute":null,"mode":"shadow"}',X'AB107FB60974B7889C4DD2D2F165B3B039E990370C132CDF43FAA9B5FE7036AA',X'E4C69D634FE63F04D4911BC950E52CD6C656907D3E1A07D7CE843487798450B5');
CREATE UNIQUE INDEX records_id ON records (id);
CREATE INDEX records_subject ON records (subject);
CREATE INDEX records_at_ms ON records (at_ms);
CREATE INDEX attributes_day ON attributes (day);
CREATE INDEX own_ids_decision ON own_ids (decision);
COMMIT;
