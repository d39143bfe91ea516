"""The words that ship, as data. A centre adds its own in the book `checking`.

Critical findings follow the lists that radiology and ultrasound departments commonly publish (危急值报告制度), unconfirmed in
any primary text.
"""

from worklists.checking.values import CriticalWord, Words

_CROSS, _PLAIN = frozenset({"CT", "MR"}), frozenset({"CR", "DR", "DX", "RF", "CT"})
_ECHO, _HEART = frozenset({"US"}), frozenset({"ECG"})

FEMALE = (
    "子宫", "卵巢", "输卵管", "阴道", "宫颈", "宫腔", "宫体", "胎儿", "胎盘", "妊娠", "孕囊", "早孕", "绝经", "月经",
)  # fmt: skip
MALE = ("前列腺", "睾丸", "附睾", "精囊", "精索", "阴茎", "阴囊", "鞘膜积液")

CRITICAL = tuple(
    CriticalWord(word=word, modalities=modalities)
    for modalities, words in (
        (_CROSS, ("颅内出血", "脑出血", "蛛网膜下腔出血", "硬膜外血肿", "硬膜下血肿", "硬脑膜下血肿", "硬脑膜外血肿",
                  "脑疝", "大面积脑梗死", "主动脉夹层", "肺动脉栓塞", "肺栓塞", "张力性气胸", "心包填塞",
                  "肝破裂", "脾破裂", "肾破裂", "急性坏死性胰腺炎", "消化道穿孔", "肠穿孔", "绞窄性肠梗阻",
                  "动脉瘤破裂", "脊髓损伤")),
        (_PLAIN, ("张力性气胸", "大量气胸", "液气胸", "消化道穿孔", "膈下游离气体", "急性肠梗阻", "气管异物")),
        (_ECHO, ("心包填塞", "主动脉夹层", "宫外孕破裂", "异位妊娠破裂", "胎盘早剥", "睾丸扭转", "卵巢囊肿蒂扭转",
                 "肝破裂", "脾破裂", "急性心力衰竭", "室壁瘤破裂")),
        (_HEART, ("急性心肌梗死", "ST段抬高型心肌梗死", "心室颤动", "心室扑动", "尖端扭转型室性心动过速",
                  "三度房室传导阻滞", "高度房室传导阻滞", "心室停搏")),
    )
    for word in words
)  # fmt: skip

SHIPPED = Words(female=FEMALE, male=MALE, critical=CRITICAL)

# Organs that a body has twice, and by which word a text names them. Those of one group are one to a reader.
ORGANS = (
    ("lung", ("肺",)), ("pleura", ("胸腔", "胸膜", "肋膈角")), ("kidney", ("肾上腺", "肾盂", "肾")),
    ("ureter", ("输尿管",)), ("breast", ("乳腺", "乳房", "乳")), ("ovary", ("卵巢",)),
    ("testis", ("睾丸", "附睾", "精索")), ("thyroid", ("甲状腺",)), ("basal_ganglia", ("基底节", "丘脑")),
    ("frontal", ("额叶",)), ("temporal", ("颞叶",)), ("parietal", ("顶叶",)), ("occipital", ("枕叶",)),
    ("cerebellum", ("小脑",)), ("hemisphere", ("大脑半球",)), ("maxillary_sinus", ("上颌窦",)),
    ("rib", ("肋骨", "肋")), ("clavicle", ("锁骨",)), ("scapula", ("肩胛骨",)), ("shoulder", ("肩关节", "肩")),
    ("humerus", ("肱骨",)), ("elbow", ("肘关节", "肘")), ("radius", ("桡骨",)), ("ulna", ("尺骨",)),
    ("wrist", ("腕关节", "腕")), ("hand", ("手",)), ("hip", ("髋关节", "髋臼", "髋")), ("femur", ("股骨",)),
    ("knee", ("膝关节", "半月板", "髌骨", "膝")), ("tibia", ("胫骨",)), ("fibula", ("腓骨",)),
    ("ankle", ("踝关节", "外踝", "内踝", "踝")), ("foot", ("跟骨", "距骨", "跖骨", "足")),
    ("carotid", ("颈动脉", "颈总动脉", "颈内动脉")), ("eye", ("眼眶", "眼球", "眼")), ("ear", ("乳突", "中耳", "耳")),
    ("parotid", ("腮腺",)), ("ilium", ("髂骨",)), ("finger", ("拇指", "食指", "中指", "环指", "小指")),
)  # fmt: skip

# What is not normal, wherever it stands.
ABNORMAL = (
    "结节", "肿块", "占位", "骨折", "斑片", "实变", "积液", "积气", "气胸", "增厚", "高密度", "低密度", "密度增高",
    "密度减低", "出血", "梗死", "结石", "囊肿", "钙化", "扩张", "狭窄",
    "肿大", "破坏", "缺损", "脱位", "水肿", "增生", "退变", "退行性",
    "炎", "肿瘤", "癌", "肌瘤", "息肉", "血肿", "撕裂", "异常信号", "低回声", "强回声", "无回声", "团块", "空洞", "不张",
    "条索", "磨玻璃", "渗出", "栓塞", "斑块", "积水", "移位", "受压", "错位", "断裂", "不连续", "中断", "塌陷", "压缩",
    "肿胀", "骨赘", "变窄", "损伤", "软化灶", "增粗", "增大", "透亮线", "透亮区",
)  # fmt: skip

# What no impression leaves out as normal.
WEIGHTY = (
    "骨折", "结节", "肿块", "占位", "出血", "血肿", "梗死", "气胸", "实变", "空洞", "结石", "脱位", "骨质破坏", "磨玻璃",
    "动脉瘤", "栓塞", "充盈缺损", "气液平", "游离气体", "撕裂", "积水", "积液", "斑片",
)  # fmt: skip

# Something found → by which words an impression takes it up.
TAKEN_UP = (
    ("骨折", ("骨折", "断裂", "离断", "骨不连", "愈合", "骨痂", "撕脱", "压缩", "术后", "内固定")),
    ("气胸", ("气胸",)),
    ("肿块", ("肿", "占位", "瘤", "癌", "Ca", "MT", "转移", "恶性", "病变", "灶", "RADS")),
    ("占位", ("占位", "肿", "瘤", "癌", "Ca", "MT", "转移", "恶性", "病变", "灶", "RADS", "囊")),
    ("游离气体", ("穿孔", "游离气", "气腹", "破裂", "术后")),
    ("动脉瘤", ("瘤",)),
    ("夹层", ("夹层",)),
    ("脑出血", ("出血", "血肿")),
)  # fmt: skip
